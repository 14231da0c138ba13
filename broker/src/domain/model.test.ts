import { expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import fc from "fast-check";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { everything, type Filter, tagFilter } from "./filter.ts";
import { decideFilterRemove, filterKeptMs } from "./filters.ts";
import { groupProgress } from "./group-progress.ts";
import { decideAck, decideGiveBack, decideStart, decideVisibility } from "./leases.ts";
import { Overlay, type Taken } from "./overlay.ts";
import { decideTrim } from "./queues.ts";
import type { ReceiptHandle } from "./receipt-handle.ts";
import type { ControlRecord } from "./shard-record.ts";
import { dump } from "./testing/dump.ts";
import { ShardBench, topic } from "./testing/shard-bench.ts";

/** What the model knows of one message for one group. */
type Message = {
  finished: "acked" | "parked" | "expired" | "skipped" | undefined;
  attempt: number;
  visibleAtMs: number;
  /** Its newest lease, and those that a newer one replaced. */
  lease: string | undefined;
  replaced: string[];
  /** Changed by something that is not committed. */
  staged: boolean;
  /** Who is reading it. */
  held: number | undefined;
};
type Queue = { sent: number; committed: number; min: number; messages: Map<number, Message>; tags: Map<number, Tag> };
type Model = { queues: Queue[]; filters: Set<string> };

const tags = ["red", "blue", "green", ""] as const;
type Tag = (typeof tags)[number];
/** What nobody wants unless everything is: green, and no tag. */
const filters = [everything, tagFilter(["red"]), tagFilter(["blue"]), tagFilter(["red", "blue"])] as const;
const wants = (expression: string, tag: Tag): boolean => expression === "*" || expression.split("||").includes(tag);

const queueCount = 2;
const group = 5;
const key = (handle: ReceiptHandle): string => `${handle.queue}/${handle.offset}/${handle.term}.${handle.counter}`;

/** A deliberately naive broker: one object a message, everything copied at each commit. */
class NaiveShard {
  now: Model = {
    queues: Array.from({ length: queueCount }, () => ({
      sent: 0,
      committed: 0,
      min: 0,
      messages: new Map(),
      tags: new Map(),
    })),
    filters: new Set(),
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
      held: undefined,
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
      held: undefined,
    });
  }

  tag(queue: number, offset: number): Tag {
    return this.now.queues[queue]!.tags.get(offset) ?? "";
  }

  /** Nobody has it, and it is not finished. */
  free(queue: number, nowMs: number): number[] {
    const { committed, min } = this.now.queues[queue]!;
    return Array.from({ length: committed - min }, (_, at) => min + at).filter((offset) => {
      const { finished, visibleAtMs, staged, lease, held } = this.message(queue, offset);
      return finished === undefined && held === undefined && (lease === undefined || (visibleAtMs <= nowMs && !staged));
    });
  }

  isWanted(queue: number, offset: number): boolean {
    return [...this.now.filters].some((expression) => wants(expression, this.tag(queue, offset)));
  }

  expire(nowMs: number, maxAttempts: number): void {
    for (const { messages, min } of this.now.queues)
      for (const [offset, message] of messages) {
        if (message.finished !== undefined || offset < min || message.lease === undefined) continue;
        if (message.visibleAtMs > nowMs || message.staged || message.attempt < maxAttempts) continue;
        message.finished = "parked";
      }
  }

  /** "done", "holds" or "refused", the contract for handles; "over" for one of a finished message that may be told either way. */
  verdict(handle: ReceiptHandle, nowMs: number, term: number): "done" | "holds" | "refused" | "over" {
    const queue = this.now.queues[handle.queue]!;
    if (handle.deadlineMs <= nowMs || handle.offset < queue.min) return "refused";
    const message = this.message(handle.queue, handle.offset);
    if (message.replaced.includes(key(handle))) return "refused";
    // An earlier leader's handle whose lease was lost is as good as done, and as good as replaced.
    if (message.finished !== undefined) return message.lease === key(handle) ? "done" : "over";
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
    for (const { messages } of this.now.queues) for (const message of messages.values()) message.held = undefined;
  }
}

type Step =
  | { kind: "send"; queue: number; count: number; tag: number }
  | { kind: "receive"; queue: number; count: number; invisibleMs: number; filter: number }
  | { kind: "hold"; queue: number; count: number; filter: number }
  | { kind: "addFilter" | "removeFilter"; filter: number }
  | { kind: "ack" | "giveBack"; pick: number }
  | { kind: "letGo"; pick: number }
  | { kind: "change"; pick: number; invisibleMs: number }
  | { kind: "pass"; ms: number }
  | { kind: "trim"; queue: number; share: number }
  | { kind: "commit" | "crash" | "restore" };

const queue = fc.nat(queueCount - 1);
const invisibleMs = fc.constantFrom(0, 1, 10, 50, 300, 70_000);
const pick = fc.nat(1_000);
const filter = fc.nat(filters.length - 1);
const step = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant("hold" as const),
      queue,
      count: fc.integer({ min: 1, max: 9 }),
      filter,
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ kind: fc.constant("letGo" as const), pick }), weight: 2 },
  {
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      queue,
      count: fc.integer({ min: 1, max: 12 }),
      tag: fc.nat(tags.length - 1),
    }),
    weight: 5,
  },
  { arbitrary: fc.record({ kind: fc.constantFrom("addFilter" as const, "removeFilter" as const), filter }), weight: 6 },
  {
    arbitrary: fc.record({
      kind: fc.constant("receive" as const),
      queue,
      count: fc.integer({ min: 1, max: 9 }),
      invisibleMs,
      filter,
    }),
    weight: 6,
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

function offsetsOf({ runs }: Taken): number[] {
  return runs.flatMap(({ offset, count }) => Array.from({ length: count }, (_, at) => offset + at));
}

/** What was decided; `undefined` for nothing to do, and for a refusal. */
function outcomeOf(decide: () => ControlRecord | undefined): ControlRecord | undefined {
  try {
    return decide();
  } catch (error) {
    if (error instanceof SaturnError) return undefined;
    throw error;
  }
}

/** Drives the real shard and the naive one side by side. */
class Pair {
  readonly bench = new ShardBench();
  readonly naive = new NaiveShard();
  /** Handles that a client may hold, and those it gets at the next commit. */
  handles: ReceiptHandle[] = [];
  #pending: ReceiptHandle[] = [];
  /** What is being read, by queue. */
  #held: { queue: number; taken: Taken; by: number }[] = [];
  #holds = 0;

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
    this.addFilter(1);
    this.commit();
  }

  run(step: Step): void {
    const { bench, naive } = this;
    switch (step.kind) {
      case "send":
        this.send(step.queue, step.count, tags[step.tag]!);
        break;
      case "receive":
        this.receive(step.queue, step.count, step.invisibleMs, filters[step.filter]!);
        break;
      case "hold":
        this.hold(step.queue, step.count, filters[step.filter]!);
        break;
      case "letGo":
        this.letGo(step.pick);
        break;
      case "addFilter":
        this.addFilter(step.filter);
        break;
      case "removeFilter":
        this.removeFilter(filters[step.filter]!);
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
        this.#held = [];
        bench.crash();
        naive.crash();
        naive.expire(bench.nowMs, bench.maxAttempts);
        break;
      case "restore":
        this.commit();
        this.#held = [];
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
    const progress = groupProgress(this.bench.state, group, this.bench.nowMs, () => true);
    for (const { queue: number, ...found } of progress) {
      const { min, sent } = this.naive.now.queues[number]!;
      const open = [];
      let parked = 0;
      let expired = 0;
      for (let offset = min; offset < sent; offset += 1) {
        const { finished } = this.naive.message(number, offset);
        if (finished === undefined) open.push(offset);
        if (finished === "parked") parked += 1;
      }
      for (const message of this.naive.now.queues[number]!.messages.values())
        if (message.finished === "expired") expired += 1;
      expect(found).toMatchObject({ lag: open.length, floor: open[0] ?? sent, nextOffset: sent, parked, expired });
    }
  }

  send(number: number, count: number, tag: Tag): void {
    const to = this.naive.now.queues[number]!;
    for (let at = 0; at < count; at += 1) to.tags.set(to.sent + at, tag);
    to.sent += count;
    this.bench.send(number, count, tag);
  }

  hold(number: number, count: number, by: Filter): void {
    const { bench, naive } = this;
    if (bench.filter(group, by) === undefined) return;
    const free = naive.free(number, bench.nowMs);
    const taken = bench.take(group, number, count, by);
    this.#holds += 1;
    for (const offset of offsetsOf(taken)) {
      expect(free).toContain(offset);
      naive.message(number, offset).held = this.#holds;
    }
    this.#held.push({ queue: number, taken, by: this.#holds });
  }

  letGo(at: number): void {
    const [held] = this.#held.splice(at % Math.max(1, this.#held.length), 1);
    if (held === undefined) return;
    this.bench.overlay.end(held.taken);
    for (const offset of offsetsOf(held.taken)) {
      const message = this.naive.message(held.queue, offset);
      if (message.held === held.by) message.held = undefined;
    }
  }

  addFilter(at: number): void {
    const { bench, naive } = this;
    bench.addFilter(group, filters[at]);
    naive.now.filters.add(filters[at]!.expression);
  }

  removeFilter(removed: Filter): void {
    const { bench, naive } = this;
    const recorded = bench.overlay.decided.filters.find(group, topic, removed);
    expect(recorded !== undefined).toBe(naive.now.filters.has(removed.expression));
    if (recorded === undefined) return;
    expect(decideFilterRemove(bench.overlay, recorded, bench.nowMs - filterKeptMs + 1, bench.nowMs)).toBeUndefined();
    bench.stage(decideFilterRemove(bench.overlay, recorded, bench.nowMs - filterKeptMs, bench.nowMs));
    naive.now.filters.delete(removed.expression);
  }

  receive(number: number, count: number, invisible: number, by: Filter): void {
    const { bench, naive } = this;
    if (bench.filter(group, by) === undefined) return;
    const free = naive.free(number, bench.nowMs);
    const ready = free.filter((offset) => wants(by.expression, naive.tag(number, offset)));
    const handles = bench.receive(group, number, count, invisible, by);
    expect(handles.length).toBe(Math.min(count, ready.length));
    for (const { offset: from, count: length } of bench.skipped) {
      for (let offset = from; offset < from + length; offset += 1) {
        expect(free).toContain(offset);
        expect(naive.isWanted(number, offset)).toBe(false);
        naive.message(number, offset).finished = "skipped";
      }
    }
    // Who looked at everything has finished what nobody wants.
    if (handles.length < count)
      expect(naive.free(number, bench.nowMs).every((offset) => naive.isWanted(number, offset))).toBe(true);
    for (const handle of handles) {
      expect(ready).toContain(handle.offset);
      expect(handle.attempt).toBe(this.naive.message(number, handle.offset).attempt + 1);
      this.naive.lease(handle);
    }
    this.handles.push(...handles);
  }

  useHandle(step: Extract<Step, { kind: "ack" | "giveBack" | "change" }>): void {
    const { bench, naive } = this;
    const handle = this.handles[step.pick % Math.max(1, this.handles.length)];
    if (handle === undefined) return;
    const verdict = naive.verdict(handle, bench.nowMs, bench.term);
    const decide: Record<"ack" | "giveBack" | "change", () => ControlRecord | undefined> = {
      ack: () => decideAck(bench.state, bench.overlay, handle, bench.nowMs),
      giveBack: () => decideGiveBack(bench.state, bench.overlay, handle, bench.nowMs),
      change: () =>
        decideVisibility(bench.state, bench.overlay, handle, bench.nowMs, "invisibleMs" in step ? step.invisibleMs : 0),
    };
    const decided = decide[step.kind];
    if (verdict === "refused" || (verdict === "done" && step.kind !== "ack")) {
      expect(decided).toThrow(SaturnError);
      return;
    }
    if (verdict === "over") {
      expect(outcomeOf(decided)).toBeUndefined();
      return;
    }
    const record = decided();
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
