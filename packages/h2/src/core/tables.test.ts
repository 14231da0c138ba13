import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { ClosedStreams } from "./closed-streams.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import { badValue, kindOfName } from "./field.ts";
import { SharedFields } from "./shared-fields.ts";
import { StreamPool } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

test("a stream table is a map, whatever comes and goes", () => {
  const step = fc.record({
    open: fc.boolean(),
    id: fc.nat(60).map((n) => 2 * n + 1),
    jump: fc.constantFrom(0, 64, 256),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const pool = new StreamPool<undefined>(
        () => undefined,
        () => undefined,
      );
      const table = new StreamTable<undefined>();
      const model = new Map<number, unknown>();
      for (const { open, id, jump } of steps) {
        const key = id + 2 * jump;
        if (open && !model.has(key)) {
          const stream = pool.take(key, 0);
          if (stream === undefined) throw new Error("the pool is empty");
          table.add(stream);
          model.set(key, stream);
        } else if (!open) {
          table.remove(key);
          model.delete(key);
        }
        const wrong = [...model.keys(), key, id].filter((probe) => table.get(probe) !== model.get(probe));
        const all = new Set<unknown>(table.all());
        const missing = [...model.values()].filter((stream) => !all.has(stream));
        if (wrong.length + missing.length > 0 || table.count !== model.size || all.size !== model.size)
          throw new Error(
            `at ${key}: wrong ${wrong.join()}, ${missing.length} missing, ${table.count} of ${model.size}`,
          );
      }
    }),
    { numRuns: 200 },
  );
});

test("a ticket names its stream until that ends, and no other afterwards", () => {
  const pool = new StreamPool<undefined>(
    () => undefined,
    () => undefined,
  );
  const first = pool.take(1, 0);
  if (first === undefined) throw new Error("the pool is empty");
  const ticket = pool.ticket(first);
  expect(pool.byTicket(ticket)).toBe(first);
  pool.give(first);
  expect(pool.byTicket(ticket)).toBeUndefined();
  const again = pool.take(3, 0);
  expect(again).toBe(first);
  expect(pool.byTicket(ticket)).toBeUndefined();
  expect(pool.open).toBe(1);
  expect(() => {
    pool.give(first);
    pool.give(first);
  }).toThrow("given back twice");
});

test("a field with a short value is shared, until there are too many; a long one never", () => {
  const shared = new SharedFields();
  const kind = kindOfName("x-a");
  const field = shared.field("x-a", "1", kind);
  expect(shared.field("x-a", "1", kind)).toBe(field);
  expect(shared.field("x-a", "2", kind)).toMatchObject({ name: "x-a", value: "2", kind });
  const long = "v".repeat(33);
  expect(shared.field("x-a", long, kind)).not.toBe(shared.field("x-a", long, kind));
  for (let nth = 0; nth < 2_000; nth += 1) shared.field("x-b", String(nth), kind);
  expect(shared.field("x-c", "late", kind)).not.toBe(shared.field("x-c", "late", kind));
  expect(shared.field("x-a", "1", kind)).toBe(field);
  expect(shared.field("x\0", "y", kindOfName("x\0"))).toMatchObject({ name: "x\0", value: "y" });
  expect(shared.field("x", "\0y", kindOfName("x") | badValue)).toMatchObject({ name: "x", value: "\0y" });
});

test("the last 128 streams that ended are known by how they ended, older ones are not", () => {
  const closed = new ClosedStreams();
  for (let nth = 0; nth < 400; nth += 1) {
    closed.add(2 * nth + 1, nth % 3 === 0);
    for (let other = 0; other < nth + 3; other += 1) {
      const known = other > nth - 128 && other <= nth;
      expect(closed.kindOf(2 * other + 1)).toBe(known ? (other % 3 === 0 ? "reset" : "ended") : "unknown");
    }
  }
});

test("a deadline is noticed at its time, at most a bucket late, and once", () => {
  const step = fc.oneof(
    fc.record({ row: fc.nat(200), inMs: fc.oneof(fc.integer({ min: -50, max: 300 }), fc.nat(40_000)) }),
    fc.record({ row: fc.nat(200) }),
    fc.record({ passMs: fc.oneof(fc.nat(40), fc.nat(20_000)) }),
  );
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.array(step, { maxLength: 100, size: "max" }), (startMs, steps) => {
      let now = startMs;
      const wheel = new DeadlineWheel(now);
      const model = new Map<number, number>();
      for (const each of steps) {
        if ("passMs" in each) {
          now += each.passMs;
          const due: number[] = [];
          wheel.advance(now, (row) => due.push(row));
          const expected = [...model].filter(([, deadline]) => deadline <= now).map(([row]) => row);
          expect(due.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
          for (const row of due) model.delete(row);
        } else if ("inMs" in each) {
          wheel.schedule(each.row, now + each.inMs);
          model.set(each.row, now + each.inMs);
        } else {
          wheel.remove(each.row);
          model.delete(each.row);
        }
        const latest = model.size > 0 ? Math.max(Math.min(...model.values()), now) + 8 : Number.POSITIVE_INFINITY;
        const next = wheel.nextMs();
        if (wheel.count !== model.size || next > latest || (model.size === 0 && next < latest))
          throw new Error(`${wheel.count} rows of ${model.size}, next at ${next}, latest ${latest}`);
      }
    }),
    { numRuns: 300 },
  );
});

test("what a deadline does may take away and put off others", () => {
  const wheel = new DeadlineWheel(0);
  for (const row of [1, 2, 3]) wheel.schedule(row, 20);
  const due: number[] = [];
  wheel.advance(30, (row) => {
    due.push(row);
    wheel.remove(row === 3 ? 2 : 3);
    wheel.schedule(1, 50);
  });
  expect(due).toEqual([3]);
  wheel.advance(60, (row) => due.push(row));
  expect(due).toEqual([3, 1]);
  expect(wheel.count).toBe(0);
});
