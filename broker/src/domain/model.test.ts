import { expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import fc from "fast-check";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { groupProgress } from "./group-progress.ts";
import { decideAck, decideGiveBack, decideStart, decideVisibility } from "./leases.ts";
import { Overlay } from "./overlay.ts";
import { decideTrim } from "./queues.ts";
import type { ReceiptHandle } from "./receipt-handle.ts";
import { dump } from "./testing/dump.ts";
import { ShardBench, topic } from "./testing/shard-bench.ts";

/** What the model knows of one message for one group. */
type Message = {
  finished: "acked" | "parked" | "expired" | undefined;
  attempt: number;
  visibleAtMs: number;
  /** Its newest lease, and those that a newer one replaced. */
  lease: string | undefined;
  replaced: string[];
  /** Changed by something that is not committed. */
  staged: boolean;
};
type Queue = { sent: number; committed: number; min: number; messages: Map<number, Message> };
type Model = { queues: Queue[] };

const queueCount = 2;
const group = 5;
const key = (handle: ReceiptHandle): string => `${handle.queue}/${handle.offset}/${handle.term}.${handle.counter}`;

/** A deliberately naive broker: one object a message, everything copied at each commit. */
class NaiveShard {
  now: Model = {
    queues: Array.from({ length: queueCount }, () => ({ sent: 0, committed: 0, min: 0, messages: new Map() })),
  };
  #committed = structuredClone(this.now);

  message(queue: number, offset: number): Message {
    const { messages } = this.now.queues[queue]!;
    const found = messages.get(offset);
    if (found) return found;
    const fresh: Message = {
      finished: undefined,
      attempt: 0,
      visibleAtMs: 0,
      lease: undefined,
      replaced: [],
      staged: false,
    };
    messages.set(offset, fresh);
    return fresh;
  }

  lease(handle: ReceiptHandle): void {
    const message = this.message(handle.queue, handle.offset);
    if (message.lease !== undefined) message.replaced.push(message.lease);
    Object.assign(message, {
      lease: key(handle),
      attempt: handle.attempt,
      visibleAtMs: handle.deadlineMs,
      staged: true,
    });
  }

  ready(queue: number, nowMs: number): number[] {
    const { committed, min } = this.now.queues[queue]!;
    return Array.from({ length: committed - min }, (_, at) => min + at).filter((offset) => {
      const { finished, visibleAtMs, staged, lease } = this.message(queue, offset);
      return finished === undefined && (lease === undefined || (visibleAtMs <= nowMs && !staged));
    });
  }

  expire(nowMs: number, maxAttempts: number): void {
    for (const { messages, min } of this.now.queues)
      for (const [offset, message] of messages) {
        if (message.finished !== undefined || offset < min || message.lease === undefined) continue;
        if (message.visibleAtMs > nowMs || message.staged || message.attempt < maxAttempts) continue;
        message.finished = "parked";
      }
  }

  /** "done", "holds" or "refused", the contract for handles. */
  verdict(handle: ReceiptHandle, nowMs: number, term: number): "done" | "holds" | "refused" {
    const queue = this.now.queues[handle.queue]!;
    if (handle.deadlineMs <= nowMs || handle.offset < queue.min) return "refused";
    const message = this.message(handle.queue, handle.offset);
    if (message.replaced.includes(key(handle))) return "refused";
    if (message.finished !== undefined) return "done";
    if (message.lease === key(handle)) return "holds";
    // The record of this lease was lost: good unless a newer lease exists.
    const newest = message.lease?.split("/").at(-1)?.split(".").map(Number);
    if (newest === undefined) return handle.term < term ? "holds" : "refused";
    const older = newest[0]! < handle.term || (newest[0] === handle.term && newest[1]! < handle.counter);
    return older && handle.term < term ? "holds" : "refused";
  }

  commit(): void {
    for (const queue of this.now.queues) {
      queue.committed = queue.sent;
      for (const message of queue.messages.values()) message.staged = false;
    }
    this.#committed = structuredClone(this.now);
  }

  crash(): void {
    this.now = structuredClone(this.#committed);
  }
}

type Step =
  | { kind: "send"; queue: number; count: number }
  | { kind: "receive"; queue: number; count: number; invisibleMs: number }
  | { kind: "abandon"; queue: number; count: number }
  | { kind: "ack" | "giveBack"; pick: number }
  | { kind: "change"; pick: number; invisibleMs: number }
  | { kind: "pass"; ms: number }
  | { kind: "trim"; queue: number; share: number }
  | { kind: "commit" | "crash" | "restore" };

const queue = fc.nat(queueCount - 1);
const invisibleMs = fc.constantFrom(0, 1, 10, 50, 300, 70_000);
const pick = fc.nat(1_000);
const step = fc.oneof(
  {
    arbitrary: fc.record({ kind: fc.constant("abandon" as const), queue, count: fc.integer({ min: 1, max: 9 }) }),
    weight: 1,
  },
  {
    arbitrary: fc.record({ kind: fc.constant("send" as const), queue, count: fc.integer({ min: 1, max: 40 }) }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("receive" as const),
      queue,
      count: fc.integer({ min: 1, max: 9 }),
      invisibleMs,
    }),
    weight: 5,
  },
  { arbitrary: fc.record({ kind: fc.constant("ack" as const), pick }), weight: 6 },
  { arbitrary: fc.record({ kind: fc.constant("giveBack" as const), pick }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("change" as const), pick, invisibleMs }), weight: 2 },
  {
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 9, 100, 1_500, 80_000) }),
    weight: 3,
  },
  { arbitrary: fc.record({ kind: fc.constant("trim" as const), queue, share: fc.nat(3) }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("commit" as const) }), weight: 6 },
  { arbitrary: fc.record({ kind: fc.constant("crash" as const) }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("restore" as const) }), weight: 1 },
) satisfies fc.Arbitrary<Step>;

/** Drives the real shard and the naive one side by side. */
class Pair {
  readonly bench = new ShardBench();
  readonly naive = new NaiveShard();
  /** Handles that a client may hold, and those it gets at the next commit. */
  handles: ReceiptHandle[] = [];
  #pending: ReceiptHandle[] = [];

  constructor(base: number) {
    for (let number = 0; number < queueCount; number += 1) {
      const place = { kind: "message", timeMs: 1_000, topic, queue: number, offset: base - 1, storedAtMs: 1 } as const;
      for (const replica of this.bench.replicas) {
        const row = replica.queues.open(topic, number);
        replica.queues.next[row] = place.offset + 1;
        replica.queues.min[row] = base;
      }
      Object.assign(this.naive.now.queues[number]!, { sent: base, committed: base, min: base });
    }
    this.bench.crash();
    for (let number = 0; number < queueCount; number += 1) {
      this.bench.stage(
        decideStart(this.bench.overlay, { group, topic, queue: number, epoch: 0 }, base, this.bench.nowMs),
      );
    }
    this.commit();
  }

  run(step: Step): void {
    const { bench, naive } = this;
    switch (step.kind) {
      case "send":
        bench.send(step.queue, step.count);
        naive.now.queues[step.queue]!.sent += step.count;
        break;
      case "receive":
        this.receive(step.queue, step.count, step.invisibleMs);
        break;
      case "abandon":
        bench.overlay.release(bench.reader(group, step.queue).cursor, bench.take(group, step.queue, step.count));
        break;
      case "ack":
      case "giveBack":
      case "change":
        this.useHandle(step);
        break;
      case "pass":
        bench.pass(step.ms);
        naive.expire(bench.nowMs, bench.maxAttempts);
        break;
      case "trim":
        this.trim(step.queue, step.share);
        break;
      case "commit":
        this.commit();
        break;
      case "crash":
        this.#pending = [];
        bench.crash();
        naive.crash();
        naive.expire(bench.nowMs, bench.maxAttempts);
        break;
      case "restore":
        this.commit();
        bench.replicas[0] = decodeCheckpoint(new Uint8Array(Buffer.concat(encodeCheckpoint(bench.state))));
        bench.crash();
        naive.crash();
        naive.expire(bench.nowMs, bench.maxAttempts);
        break;
    }
  }

  commit(): void {
    this.naive.commit();
    this.bench.commit();
    this.naive.expire(this.bench.nowMs, this.bench.maxAttempts);
    this.handles.push(...this.#pending);
    this.#pending = [];
  }

  check(): void {
    this.commit();
    this.commit();
    const [first, second] = this.bench.replicas;
    expect(dump(first!)).toEqual(dump(second!));
    expect(dump(this.bench.overlay.decided)).toEqual(dump(first!));
    const progress = groupProgress(this.bench.state, group, this.bench.nowMs);
    for (const { queue: number, ...found } of progress) {
      const { min, sent } = this.naive.now.queues[number]!;
      const open = [];
      let parked = 0;
      for (let offset = min; offset < sent; offset += 1) {
        const { finished } = this.naive.message(number, offset);
        if (finished === undefined) open.push(offset);
        if (finished === "parked") parked += 1;
      }
      expect(found).toMatchObject({ lag: open.length, floor: open[0] ?? sent, nextOffset: sent, parked });
    }
  }

  receive(number: number, count: number, invisible: number): void {
    const ready = this.naive.ready(number, this.bench.nowMs);
    const handles = this.bench.receive(group, number, count, invisible);
    expect(handles.length).toBe(Math.min(count, ready.length));
    for (const handle of handles) {
      expect(ready).toContain(handle.offset);
      expect(handle.attempt).toBe(this.naive.message(number, handle.offset).attempt + 1);
      this.naive.lease(handle);
    }
    this.handles.push(...handles);
  }

  useHandle(step: Extract<Step, { pick: number }>): void {
    const { bench, naive } = this;
    const handle = this.handles[step.pick % Math.max(1, this.handles.length)];
    if (handle === undefined) return;
    const verdict = naive.verdict(handle, bench.nowMs, bench.term);
    const decide = {
      ack: () => decideAck(bench.state, bench.overlay, handle, bench.nowMs),
      giveBack: () => decideGiveBack(bench.state, bench.overlay, handle, bench.nowMs),
      change: () =>
        decideVisibility(bench.state, bench.overlay, handle, bench.nowMs, "invisibleMs" in step ? step.invisibleMs : 0),
    }[step.kind];
    if (verdict === "refused" || (verdict === "done" && step.kind !== "ack")) {
      expect(decide).toThrow(SaturnError);
      return;
    }
    const record = decide();
    expect(record === undefined).toBe(verdict === "done");
    bench.stage(record);
    if (record?.kind === "acked") naive.message(handle.queue, handle.offset).finished = "acked";
    if (record?.kind !== "visibilityChanged") return;
    const { deadlineMs, term, counter, attempt } = record;
    const changed = { ...handle, deadlineMs, term, counter, attempt };
    naive.lease(changed);
    // A lease whose record was lost is dead as well once it was changed by its own handle.
    naive.message(handle.queue, handle.offset).replaced.push(key(handle));
    this.#pending.push(changed);
    bench.expire();
  }

  trim(number: number, share: number): void {
    const { bench, naive } = this;
    const target = naive.now.queues[number]!;
    const to = target.min + Math.floor(((target.committed - target.min) * share) / 3);
    const record = decideTrim(bench.overlay, { topic, queue: number }, to, bench.nowMs);
    expect(record === undefined).toBe(to === target.min);
    bench.stage(record);
    for (let offset = target.min; offset < to; offset += 1) naive.message(number, offset).finished ??= "expired";
    target.min = to;
  }
}

// Goal: reliability.md invariants 3, 6 and 7 on one shard. Method: random commands on the real shard and on one object a message.
test.each([0, 2 ** 31 - 20, 2 ** 32 - 20, 2 ** 53 - 5_000])(
  "a shard behaves as one object a message does, from offset %d",
  (base) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const pair = new Pair(base);
        for (const each of steps) pair.run(each);
        pair.check();
      }),
      { numRuns: 70 },
    );
  },
);

test("a new leader's overlay begins with what is committed", () => {
  const bench = new ShardBench(1);
  bench.send(0, 3);
  bench.commit();
  bench.stage(decideStart(bench.overlay, { group, topic, queue: 0, epoch: 0 }, 0, bench.nowMs));
  expect(bench.overlay.decided.cursors.count).toBe(1);
  expect(dump(new Overlay(bench.state, 2, bench.nowMs).decided)).toEqual(dump(bench.state));
  expect(bench.state.cursors.count).toBe(0);
});
