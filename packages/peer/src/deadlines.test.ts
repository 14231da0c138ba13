import { describe, expect, test } from "@jest/globals";
import type { Timers } from "@saturnmq/kit";
import { ManualTime } from "@saturnmq/kit/testing";
import { Deadlines } from "./deadlines.ts";
import { Once } from "./once.ts";

describe("Deadlines", () => {
  test("come in their order, not before they are due and at most 16 ms after", () => {
    const time = new ManualTime();
    const deadlines = new Deadlines(time, time);
    const seen: { readonly due: number; readonly at: number }[] = [];
    time.advance(7.3);
    for (const delayMs of [40, 1, 100, 15, 16, 17, 0, 99.5]) {
      const due = time.monoMs() + delayMs;
      deadlines.set(delayMs, { expired: () => seen.push({ due, at: time.monoMs() }) });
    }
    for (let step = 0; step < 200; step += 1) time.advance(1);
    expect(seen.length).toBe(8);
    for (const { due, at } of seen) {
      expect(at).toBeGreaterThanOrEqual(due);
      expect(at).toBeLessThanOrEqual(due + 16);
    }
  });

  test("share timers, and leave none behind when all are called off", () => {
    const time = new ManualTime();
    let timers = 0;
    let cancelled = 0;
    const counting: Timers = {
      after: (delayMs, callback) => {
        timers += 1;
        const cancel = time.after(delayMs, callback);
        return () => {
          cancelled += 1;
          cancel();
        };
      },
    };
    const deadlines = new Deadlines(time, counting);
    const called: number[] = [];
    const items = Array.from({ length: 1_000 }, (_, at) => ({ expired: () => called.push(at) }));
    const keys = items.map((item) => deadlines.set(100, item));
    expect(timers).toBe(1);
    for (const [at, item] of items.entries()) deadlines.callOff(keys[at]!, item);
    expect(cancelled).toBe(1);
    deadlines.callOff(keys[0]!, items[0]!);
    deadlines.set(100, { expired: () => called.push(-1) });
    deadlines.callOff(keys[1]!, items[1]!);
    time.advance(200);
    expect([called, timers]).toEqual([[-1], 2]);
  });
});

test("Once says a thing once, again when it is forgotten, and nothing new when it is full", () => {
  const once = new Once();
  expect([once.first("peer 1 a"), once.first("peer 1 a"), once.first("peer 12 a")]).toEqual([true, false, true]);
  once.forget("peer 1 ");
  expect([once.first("peer 1 a"), once.first("peer 12 a")]).toEqual([true, false]);
  for (let key = 0; key < 10_000; key += 1) once.first(`x ${key}`);
  expect(once.first("y")).toBe(false);
});
