import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { HeardGroups, hashOf, ToldGroups } from "./led-groups.ts";
import type { LedGroup } from "./messages.ts";

const row = (group: number, term = 1, commit = 0): LedGroup => ({ group, term, commit });

describe("What a process leads", () => {
  test("is told in full first, then only what changed", () => {
    const told = new ToldGroups(100);
    expect(told.tell([row(1), row(2)])).toMatchObject({ base: 0, version: 101, led: [row(1), row(2)], ended: [] });
    expect(told.tell([row(1), row(2)])).toMatchObject({ base: 101, version: 102, led: [], ended: [] });
    expect(told.tell([row(1, 1, 5), row(3)])).toMatchObject({ led: [row(1, 1, 5), row(3)], ended: [2] });
  });

  test("is told in full again when the peer has lost track", () => {
    const told = new ToldGroups(0);
    const heard = new HeardGroups();
    told.tell([row(1)]);
    expect(heard.take(told.tell([row(1), row(2)]))).toBe(false);
    told.forget();
    expect(heard.take(told.tell([row(1), row(2)]))).toBe(true);
    expect([...heard.groups]).toEqual([row(1), row(2)]);
  });

  test("is not believed when it does not add up, until it is told in full", () => {
    const told = new ToldGroups(0);
    const heard = new HeardGroups();
    expect(heard.take({ ...told.tell([row(1)]), hash: 7 })).toBe(false);
    expect(heard.take(told.tell([row(1)]))).toBe(false);
  });

  test("hashes by term and commit index, far ones too, and in any order", () => {
    expect(hashOf([row(1), row(2)])).toBe(hashOf([row(2), row(1)]));
    expect(hashOf([row(1, 2 ** 40)])).not.toBe(hashOf([row(1, 2 ** 41)]));
    expect(hashOf([row(1, 1, 5)])).not.toBe(hashOf([row(1, 1, 6)]));
  });

  test("arrives as it is whatever gets lost, repeated or told by another life, once it is believed", () => {
    const rows = fc.uniqueArray(fc.record({ group: fc.nat(4), term: fc.nat(3), commit: fc.nat(3) }), {
      selector: ({ group }) => group,
      maxLength: 4,
    });
    const event = fc.record({ rows, fate: fc.constantFrom("arrives", "lost", "twice", "restart") });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        let told = new ToldGroups(1_000);
        const heard = new HeardGroups();
        for (const [at, { rows: led, fate }] of events.entries()) {
          if (fate === "restart") told = new ToldGroups(10_000 * at);
          const change = told.tell(led);
          if (fate === "lost") continue;
          const believed = heard.take(change);
          if (fate === "twice") heard.take(change);
          const byGroup = (list: Iterable<LedGroup>): LedGroup[] => [...list].sort((a, b) => a.group - b.group);
          if (believed && fate !== "twice") expect(byGroup(heard.groups)).toEqual(byGroup(led));
          if (!believed || fate === "twice") told.forget();
        }
      }),
    );
  });
});
