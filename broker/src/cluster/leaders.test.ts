import { describe, expect, test } from "@jest/globals";
import { ManualTime } from "../testing/manual-time.ts";
import { Leaders } from "./leaders.ts";

const led = (shards: Readonly<Record<number, number>>): ReadonlyMap<number, number> =>
  new Map(Object.entries(shards).map(([shard, term]) => [Number(shard), term]));

describe("who leads a shard", () => {
  test("whoever says so, and of two the one in the later term", () => {
    const leaders = new Leaders(new ManualTime());
    leaders.told(1, led({ 0: 3, 1: 3 }));
    leaders.told(2, led({ 1: 4 }));
    expect([0, 1, 2].map((shard) => leaders.of(shard))).toEqual([1, 2, undefined]);
    leaders.told(1, led({ 0: 3 }));
    leaders.told(2, led({}));
    expect([0, 1].map((shard) => leaders.of(shard))).toEqual([1, undefined]);
  });

  test("a claim that was wrong is not believed again before it changes", () => {
    const leaders = new Leaders(new ManualTime());
    leaders.told(1, led({ 0: 3 }));
    leaders.told(2, led({ 0: 2 }));
    leaders.doubt(0, 1);
    expect(leaders.of(0)).toBe(2);
    leaders.told(1, led({ 0: 3, 5: 1 }));
    expect(leaders.of(0)).toBe(2);
    leaders.told(1, led({ 5: 1 }));
    leaders.told(1, led({ 0: 3, 5: 1 }));
    expect(leaders.of(0)).toBe(1);
    leaders.doubt(0, 1);
    leaders.told(1, led({ 0: 4 }));
    expect(leaders.of(0)).toBe(1);
  });

  test("doubting somebody who is not taken for the leader changes nothing", () => {
    const leaders = new Leaders(new ManualTime());
    leaders.told(1, led({ 0: 3 }));
    leaders.doubt(0, 2);
    leaders.doubt(7, 1);
    expect(leaders.of(0)).toBe(1);
  });
});

describe("waiting for a leader", () => {
  test("ends with the change that brings one", async () => {
    const time = new ManualTime();
    const leaders = new Leaders(time);
    const waited = leaders.when(() => leaders.of(0) !== undefined, 1_000);
    await time.pass(500);
    leaders.told(1, led({ 0: 1 }));
    expect(await waited).toBe(true);
  });

  test("ends when it is too late, and at once without time to wait", async () => {
    const time = new ManualTime();
    const leaders = new Leaders(time);
    const waited = leaders.when(() => false, 1_000);
    await time.pass(1_000);
    expect(await waited).toBe(false);
    expect(await leaders.when(() => false, 0)).toBe(false);
    expect(await leaders.when(() => true, -5)).toBe(true);
  });
});
