import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { TimingWheel } from "./timing-wheel.ts";

const step = fc.oneof(
  fc.record({
    item: fc.nat(20),
    inMs: fc.oneof(fc.nat(600), fc.nat(200_000), fc.constantFrom(65_536, 16_777_216, 5_000_000_000)),
  }),
  fc.record({ item: fc.nat(20) }),
  fc.record({ passMs: fc.oneof(fc.nat(300), fc.nat(100_000), fc.constantFrom(65_536, 20_000_000, 4_400_000_000)) }),
);

test("every item is due exactly at its deadline, whatever is scheduled, moved and removed", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.array(step, { maxLength: 80, size: "max" }), (start, steps) => {
      let now = start;
      const wheel = new TimingWheel(now);
      const naive = new Map<number, number>();
      for (const each of steps) {
        if ("passMs" in each) {
          now += each.passMs;
          const due: number[] = [];
          wheel.advance(now, (item) => due.push(item));
          const expected = [...naive].filter(([, deadline]) => deadline <= now).map(([item]) => item);
          expect(due.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
          for (const item of due) naive.delete(item);
        } else if ("inMs" in each) {
          wheel.schedule(each.item, now + each.inMs);
          naive.set(each.item, now + each.inMs);
        } else {
          wheel.remove(each.item);
          naive.delete(each.item);
        }
        expect(wheel.count).toBe(naive.size);
        const first = Math.min(...naive.values());
        expect(wheel.nextDueMs()).toBeLessThanOrEqual(first);
      }
    }),
    { numRuns: 300 },
  );
});

test("items come in deadline order and may schedule others while they do", () => {
  const wheel = new TimingWheel(0);
  wheel.schedule(1, 300);
  wheel.schedule(2, 70_000);
  wheel.schedule(3, 5);
  const due: number[] = [];
  wheel.advance(80_000, (item) => {
    due.push(item);
    if (item === 3) wheel.schedule(4, 400);
  });
  expect(due).toEqual([3, 1, 4, 2]);
  expect(wheel.nextDueMs()).toBe(Infinity);
});
