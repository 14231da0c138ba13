import { describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import fc from "fast-check";
import { anyCommand, type Command } from "../testing/any-command.ts";
import { newClusterFacts } from "../testing/cluster-state.ts";
import { apply } from "./apply.ts";
import { decideCreateCluster } from "./brokers.ts";
import { decodeCheckpoint, decodeRecord, encodeCheckpoint, encodeRecord, UnknownFormatError } from "./codec.ts";
import type { MetadataRecord } from "./records.ts";
import { initialState, type MetadataState } from "./state.ts";

/** A life of a cluster: any commands in any order, some of them refused. */
const life = fc.array(fc.tuple(anyCommand, fc.nat(20)), { maxLength: 40 });

function live(commands: readonly (readonly [Command, number])[]): { state: MetadataState; records: MetadataRecord[] } {
  const state = initialState();
  const records: MetadataRecord[] = [];
  const all: (readonly [Command, number])[] = [
    [() => decideCreateCluster(state, newClusterFacts(), "ab".repeat(32)), 0],
    ...commands,
  ];
  for (const [decide, id] of all) {
    try {
      for (const record of decide(state, `r${id}`).records) {
        apply(state, record);
        records.push(record);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(SaturnError);
    }
  }
  return { state, records };
}

describe("a cluster's life", () => {
  test("is the same when its records are read back", () => {
    fc.assert(
      fc.property(life, (commands) => {
        const { state, records } = live(commands);
        const replayed = initialState();
        for (const record of records) apply(replayed, decodeRecord(encodeRecord(record)));
        expect(replayed).toEqual(state);
      }),
    );
  });

  test("goes on the same from a checkpoint at any point", () => {
    fc.assert(
      fc.property(life, fc.nat(60), (commands, at) => {
        const { state, records } = live(commands);
        let restored = initialState();
        for (const [nth, record] of records.entries()) {
          if (nth === at) restored = decodeCheckpoint(encodeCheckpoint(restored));
          apply(restored, record);
        }
        expect(restored).toEqual(state);
      }),
    );
  });

  test("never gives an id twice", () => {
    fc.assert(
      fc.property(life, (commands) => {
        const { records } = live(commands);
        const topics = records.flatMap((record) => (record.kind === "topicCreated" ? [record.topic.id] : []));
        const groups = records.flatMap((record) => (record.kind === "groupCreated" ? [record.group.id] : []));
        expect(topics).toEqual(topics.map((_, nth) => nth + 1));
        expect(groups).toEqual(groups.map((_, nth) => nth + 1));
      }),
    );
  });
});

/** Commands that bear a request id, and what they record. */
const answeredOnce: ReadonlySet<string> = new Set([
  ...["topicCreated", "topicDeleted", "groupCreated", "groupDeleted", "groupReset", "settingsChanged"],
  ...["brokerDraining", "brokerLeadersAway", "brokerForgotten", "featureLevelRaised"],
]);

test("a call that is repeated, at once or after others, answers the same and changes nothing", () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(fc.array(anyCommand, { maxLength: 30 }), (commands) => {
      const { state } = live([]);
      const done: { decide: Command; requestId: string; reply: unknown }[] = [];
      for (const [nth, decide] of commands.entries()) {
        const requestId = `r${nth}`;
        const decision = attempt(() => decide(state, requestId));
        if (decision === undefined) continue;
        for (const record of decision.records) apply(state, record);
        const recorded = decision.records.filter(({ kind }) => answeredOnce.has(kind));
        if (recorded.length === 0) continue;
        for (const { kind } of recorded) kinds.add(kind);
        done.push({ decide, requestId, reply: decision.reply });
        for (const earlier of done)
          expect(earlier.decide(state, earlier.requestId)).toEqual({ records: [], reply: earlier.reply });
      }
    }),
    { numRuns: 300, seed: 11 },
  );
  expect(kinds.size).toBeGreaterThanOrEqual(8);
});

function attempt<T>(decide: () => T): T | undefined {
  try {
    return decide();
  } catch (error) {
    expect(error).toBeInstanceOf(SaturnError);
    return undefined;
  }
}

describe("data of a newer version", () => {
  test.each([
    { kind: 999, version: 1 },
    { kind: 1, version: 3 },
  ])("a record of kind $kind, version $version stops the reader", ({ kind, version }) => {
    expect(() => decodeRecord({ kind, version, payload: new Uint8Array() })).toThrow(UnknownFormatError);
  });

  test("so does a checkpoint", () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ version: 3 }));
    expect(() => decodeCheckpoint(bytes)).toThrow("needs a newer version");
  });
});

test("a record that cannot follow stops the process", () => {
  const deleted: MetadataRecord = { kind: "topicDeleted", requestId: "r", name: "absent" };
  expect(() => apply(initialState(), deleted)).toThrow("a deleted topic was there");
});
