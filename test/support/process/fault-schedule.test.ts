import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { type FaultPlan, planFaults } from "./fault-schedule.ts";

const members = ["broker-1", "broker-2", "broker-3", "nameserver-1", "nameserver-2", "nameserver-3"];
const tenMinutes: FaultPlan = {
  ...{ seed: 1, members, kinds: ["kill"] },
  ...{ everyMs: 20_000, lastsMs: 5_000, runMs: 600_000 },
};

test("ten minutes with a kill every 20 s are 29 kills, all over in time, of every member", () => {
  const faults = planFaults(tenMinutes);
  expect(faults).toHaveLength(29);
  expect(faults[0]).toMatchObject({ atMs: 20_000, kind: "kill", lastsMs: 5_000 });
  expect(faults.at(-1)).toMatchObject({ atMs: 580_000 });
  expect(new Set(faults.map(({ member }) => member))).toEqual(new Set(members));
});

test("one seed gives one plan, another one another", () => {
  expect(planFaults(tenMinutes)).toEqual(planFaults(tenMinutes));
  expect(planFaults({ ...tenMinutes, seed: 2 })).not.toEqual(planFaults(tenMinutes));
});

test("no fault begins before the one before it is over, and none outlasts the run", () => {
  const spans = fc.record({
    seed: fc.nat(),
    everyMs: fc.integer({ min: 20, max: 1_000 }),
    share: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
    runMs: fc.nat(5_000),
  });
  fc.assert(
    fc.property(spans, ({ seed, everyMs, share, runMs }) => {
      const lastsMs = Math.max(1, Math.min(everyMs - 1, Math.floor(everyMs * share)));
      const faults = planFaults({ seed, members, kinds: ["kill", "suspend"], everyMs, lastsMs, runMs });
      for (const [at, fault] of faults.entries()) {
        expect(fault.atMs + lastsMs).toBeLessThanOrEqual(Math.min(runMs, faults[at + 1]?.atMs ?? runMs));
        expect(members).toContain(fault.member);
      }
    }),
  );
});

test.each([
  { what: "faults that overlap", change: { lastsMs: 20_000 } },
  { what: "nobody to hit", change: { members: [] } },
  { what: "nothing to do", change: { kinds: [] } },
])("$what is refused", ({ change }) => {
  expect(() => planFaults({ ...tenMinutes, ...change })).toThrow();
});
