import { describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import { applyDelta, type ClusterView, type ViewDelta } from "@saturnmq/wire";
import fc from "fast-check";
import { anyCommand, type Command } from "../testing/any-command.ts";
import { join, newCluster } from "../testing/cluster-state.ts";
import { apply } from "./apply.ts";
import { Changes, changesKept } from "./changes.ts";
import type { MetadataRecord } from "./records.ts";
import { type MetadataState, viewOf } from "./state.ts";

/** Two brokers, shards with one voter each. */
function begun(): MetadataState {
  const state = newCluster(1);
  join(state);
  join(state);
  return state;
}

/** Runs commands; calls `seen` after each record. */
function live(commands: readonly Command[], seen: (state: MetadataState, record: MetadataRecord) => void): void {
  const state = begun();
  for (const [nth, decide] of commands.entries()) {
    try {
      for (const record of decide(state, `r${nth}`).records) {
        apply(state, record);
        seen(state, record);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(SaturnError);
    }
  }
}

function presentView(state: MetadataState): ClusterView {
  return viewOf(state)!;
}

/** Watchers that read now and then, over any life of a cluster; answers which kinds of records came. */
function watchersSee(
  deltaOf: (changes: Changes, from: number, view: ClusterView) => ViewDelta | undefined,
): Set<string> {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(
      fc.array(anyCommand, { maxLength: 60, size: "max" }),
      fc.array(fc.boolean(), { minLength: 1 }),
      (commands, reads) => {
        let seen = presentView(begun());
        const changes = new Changes(seen.revision);
        let nth = 0;
        live(commands, (state, record) => {
          kinds.add(record.kind);
          changes.note(record);
          nth += 1;
          if (reads[nth % reads.length] === false) return;
          const now = presentView(state);
          const delta = deltaOf(changes, seen.revision, now);
          const next = delta === undefined ? now : applyDelta(seen, delta);
          expect(next).toEqual(now);
          seen = now;
        });
      },
    ),
    { numRuns: 120, seed: 7 },
  );
  return kinds;
}

describe("what changed since a revision", () => {
  test("makes of any earlier view the present one", () => {
    const kinds = watchersSee((changes, from, view) => changes.delta(from, view));
    // The life did contain what can change a view.
    expect(kinds.size).toBeGreaterThanOrEqual(16);
  });

  const forgets: { what: string; delta: (delta: ViewDelta) => ViewDelta }[] = [
    { what: "topics", delta: (delta) => ({ ...delta, topics: [] }) },
    { what: "topics that are gone", delta: (delta) => ({ ...delta, topicsGone: [] }) },
    { what: "groups", delta: (delta) => ({ ...delta, groups: [] }) },
    { what: "groups that are gone", delta: (delta) => ({ ...delta, groupsGone: [] }) },
    { what: "shards", delta: (delta) => ({ ...delta, shards: [] }) },
    { what: "brokers", delta: (delta) => ({ ...delta, brokers: [] }) },
    { what: "settings", delta: (delta) => ({ ...delta, settings: undefined }) },
    { what: "name servers", delta: (delta) => ({ ...delta, nameServers: undefined }) },
  ];
  test.each(forgets)("the test finds out when it forgets $what", ({ delta }) => {
    const forgetful = (changes: Changes, from: number, view: ClusterView): ViewDelta | undefined => {
      const whole = changes.delta(from, view);
      return whole && delta(whole);
    };
    expect(() => watchersSee(forgetful)).toThrow();
  });

  test("is everything for who has seen nothing of what is kept, or of another future", () => {
    const state = newCluster();
    const changes = new Changes(state.revision);
    for (let nth = 0; nth < changesKept + 5; nth += 1) {
      const record: MetadataRecord = { kind: "brokersDown", ids: [] };
      apply(state, record);
      changes.note(record);
    }
    const view = presentView(state);
    expect(changes.delta(5, view)).toBeUndefined();
    expect(changes.delta(6, view)).toMatchObject({ fromRevision: 6, revision: view.revision });
    expect(changes.delta(view.revision + 1, view)).toBeUndefined();
  });
});

describe("applyDelta", () => {
  test("refuses what does not continue the view", () => {
    const view = presentView(newCluster());
    const delta = new Changes(1).delta(1, view)!;
    expect(applyDelta(view, delta)).toEqual(view);
    expect(applyDelta(view, { ...delta, fromRevision: 0 })).toBeUndefined();
    expect(applyDelta(view, { ...delta, fromRevision: 2 })).toBeUndefined();
    expect(applyDelta(view, { ...delta, revision: 0 })).toBeUndefined();
  });
});
