import { describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import { emptyReport } from "@saturnmq/wire";
import fc from "fast-check";
import { groupRequest, newClusterFacts, newcomer, testNowMs, topicRequest } from "../testing/cluster-state.ts";
import { apply } from "./apply.ts";
import { decideCreateCluster, decideHeartbeat, decideRegister } from "./brokers.ts";
import { decodeCheckpoint, decodeRecord, encodeCheckpoint, encodeRecord, UnknownFormatError } from "./codec.ts";
import { decideCreateGroup, decideDeleteGroup } from "./groups.ts";
import type { Decision, MetadataRecord } from "./records.ts";
import { initialState, type MetadataState } from "./state.ts";
import { decideCreateTopic, decideDeleteTopic } from "./topics.ts";

/** A life of a cluster: any commands in any order, some of them refused. */
type Command = (state: MetadataState, requestId: string) => Decision<unknown>;

const name = fc.constantFrom("a", "b", "c");
const command: fc.Arbitrary<Command> = fc.oneof(
  name.map(
    (topic): Command =>
      (state, requestId) => {
        return decideCreateTopic(state, topicRequest({ requestId, name: topic }), testNowMs);
      },
  ),
  name.map(
    (topic): Command =>
      (state, requestId) =>
        decideDeleteTopic(state, { requestId, name: topic }),
  ),
  fc.tuple(name, fc.constantFrom("default", "earliest", "latest"), fc.boolean()).map(([group, from, implicit]) => {
    return (state: MetadataState, requestId: string) =>
      decideCreateGroup(state, groupRequest({ requestId, name: group, from, implicit }), testNowMs);
  }),
  name.map(
    (group): Command =>
      (state, requestId) =>
        decideDeleteGroup(state, { requestId, name: group }),
  ),
  fc.nat(2).map(
    (brokerId): Command =>
      (state) => {
        const incarnation = (state.brokers.get(brokerId)?.incarnation ?? 0) + 1;
        return decideRegister(state, { ...newcomer, brokerId, incarnation });
      },
  ),
  fc.nat(2).map(
    (brokerId): Command =>
      (state) =>
        decideHeartbeat(state, brokerId, 1, emptyReport),
  ),
);
const life = fc.array(fc.tuple(command, fc.nat(20)), { maxLength: 40 });

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
