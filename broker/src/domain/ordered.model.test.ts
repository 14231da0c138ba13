import { expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import fc from "fast-check";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { decideAck, decideAgain, decideGiveBack, decideLease, decideStart, decideVisibility } from "./leases.ts";
import { holderOf, lockOf } from "./order.ts";
import type { ReceiptHandle } from "./receipt-handle.ts";
import { extend, type Run } from "./runs.ts";
import type { Leased } from "./shard-record.ts";
import { dump } from "./testing/dump.ts";
import { ShardBench, topic } from "./testing/shard-bench.ts";

/** What the model knows of one message: an object, as plain as can be. */
type Message = {
  readonly offset: number;
  readonly group: string;
  done: boolean;
  attempt: number;
  leasedUntilMs: number;
  holder: number;
  handle: string;
};

const group = 5;
const groups = ["a", "b", "c", "d"] as const;
const attempts = ["", "one", "two", "three"] as const;
const nameOf = ({ term, counter }: { term: number; counter: number }): string => `${term}.${counter}`;

type Step =
  | { kind: "send"; groups: number[] }
  | { kind: "receive"; count: number; invisibleMs: number; attempt: number }
  | { kind: "again"; attempt: number; invisibleMs: number }
  | { kind: "ack" | "ackLost" | "giveBack"; pick: number }
  | { kind: "change"; pick: number; invisibleMs: number }
  | { kind: "pass"; ms: number }
  | { kind: "crash" | "restore" };

const pick = fc.nat(1_000);
const attempt = fc.nat(attempts.length - 1);
const invisibleMs = fc.constantFrom(0, 10, 300, 70_000);
const step = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      groups: fc.array(fc.nat(groups.length - 1), { minLength: 1, maxLength: 8 }),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("receive" as const),
      count: fc.integer({ min: 1, max: 6 }),
      invisibleMs,
      attempt,
    }),
    weight: 7,
  },
  { arbitrary: fc.record({ kind: fc.constant("again" as const), attempt, invisibleMs }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("ack" as const), pick }), weight: 6 },
  { arbitrary: fc.record({ kind: fc.constantFrom("ackLost" as const, "giveBack" as const), pick }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("change" as const), pick, invisibleMs }), weight: 2 },
  {
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 9, 100, 1_500, 80_000) }),
    weight: 3,
  },
  { arbitrary: fc.record({ kind: fc.constantFrom("crash" as const, "restore" as const) }), weight: 1 },
) satisfies fc.Arbitrary<Step>;

function namesOf(messages: readonly Message[]): string[] {
  return [...new Set(messages.map((one) => one.group))].sort();
}

/** Drives the real shard and one object a message side by side. Leases are committed before they count, as for any ordered group. */
class Pair {
  readonly bench = new ShardBench();
  readonly messages: Message[] = [];
  readonly handles: ReceiptHandle[] = [];

  constructor() {
    this.bench.send(0, 1);
    this.bench.commit();
    this.bench.stage(decideStart(this.bench.overlay, { group, topic, queue: 0, epoch: 0 }, 1, this.bench.nowMs));
    this.bench.addFilter(group);
    this.bench.commit();
  }

  get #cursor(): number {
    return this.bench.reader(group).cursor;
  }

  run(step: Step): void {
    const { bench } = this;
    switch (step.kind) {
      case "send":
        for (const at of step.groups) this.#send(groups[at]!);
        break;
      case "receive":
        this.#receive(step.count, step.invisibleMs, holderOf("c", attempts[step.attempt]!));
        break;
      case "again":
        this.#again(holderOf("c", attempts[step.attempt]!), step.invisibleMs);
        break;
      case "ack":
      case "ackLost":
      case "giveBack":
      case "change":
        this.#use(step);
        break;
      case "pass":
        bench.pass(step.ms);
        bench.commit();
        break;
      case "crash":
        bench.crash();
        bench.commit();
        break;
      case "restore":
        bench.replicas[0] = decodeCheckpoint(new Uint8Array(Buffer.concat(encodeCheckpoint(bench.state))));
        bench.crash();
        bench.commit();
        break;
    }
    this.#park();
  }

  check(): void {
    expect(dump(this.bench.overlay.decided)).toEqual(dump(this.bench.state));
    expect(dump(this.bench.replicas[1]!)).toEqual(dump(this.bench.state));
  }

  #send(to: string): void {
    this.messages.push({
      offset: this.messages.length + 1,
      group: to,
      done: false,
      attempt: 0,
      leasedUntilMs: 0,
      holder: 0,
      handle: "",
    });
    this.bench.send(0, 1);
    this.bench.commit();
  }

  /** What may be handed out now, group by group, each in its order: nobody has any message of the group. */
  #free(): Message[] {
    const open = this.messages.filter(({ done }) => !done);
    const held = new Set(open.filter((one) => one.leasedUntilMs > this.bench.nowMs).map((one) => one.group));
    return open.filter((one) => !held.has(one.group));
  }

  #receive(count: number, invisible: number, holder: number): void {
    const { bench } = this;
    const { ordered } = bench.overlay;
    const free = this.#free();
    const got: Message[] = [];
    while (got.length < count) {
      const taken = ordered.take(this.#cursor, 0, count - got.length);
      if (taken === undefined) {
        const scan = ordered.scan(bench.state, this.#cursor, 5);
        if (scan === undefined) break;
        ordered.scanned(scan, (offset) => lockOf(this.messages[offset - 1]!.group));
        continue;
      }
      const runs: Run[] = [];
      for (const offset of taken.offsets) extend(runs, offset, 1);
      const order = { lock: taken.lock, holder };
      const records = decideLease(bench.overlay, bench.reader(group), runs, bench.nowMs, invisible, order);
      for (const record of records) got.push(...this.#lease(record, holder));
      ordered.end(taken, 0);
    }
    bench.commit();
    // With room left, every group that nobody held has given something: new messages of one that gave wait for the next receive.
    if (got.length < count) expect(namesOf(got)).toEqual(namesOf(free));
    // The first open messages of each group, in their order (invariants 4 and 5).
    for (const [name, ofGroup] of Map.groupBy(got, (one) => one.group))
      expect(ofGroup).toEqual(free.filter((one) => one.group === name).slice(0, ofGroup.length));
  }

  #again(holder: number, invisible: number): void {
    const { bench } = this;
    const held = this.messages.filter(
      (one) => !one.done && holder !== 0 && one.holder === holder && one.leasedUntilMs > bench.nowMs,
    );
    const offsets = bench.overlay.ordered.heldBy(this.#cursor, holder);
    expect(offsets).toEqual(held.map(({ offset }) => offset));
    for (const offset of offsets) {
      const before = this.messages[offset - 1]!.attempt;
      const record = decideAgain(bench.overlay, bench.reader(group), offset, bench.nowMs, invisible);
      const [again] = this.#lease(record!, holder);
      expect(again!.attempt).toBe(before);
    }
    bench.commit();
  }

  #lease(record: Leased, holder: number): Message[] {
    this.bench.stage(record);
    return Array.from({ length: record.count }, (_, at) => {
      const message = this.messages[record.offset + at - 1]!;
      const { attempt, deadlineMs, term } = record;
      const counter = record.counter + at;
      Object.assign(message, { attempt, leasedUntilMs: deadlineMs, holder, handle: nameOf({ term, counter }) });
      const place = { shard: 0, topic, group, epoch: 0, queue: 0, offset: message.offset };
      this.handles.push({ ...place, attempt, term, counter, deadlineMs });
      return message;
    });
  }

  #use(step: Extract<Step, { pick: number }>): void {
    const { bench } = this;
    const handle = this.handles[step.pick % Math.max(1, this.handles.length)];
    if (handle === undefined) return;
    const message = this.messages[handle.offset - 1]!;
    const isCurrent = message.handle === nameOf(handle);
    if (message.done || !isCurrent || message.leasedUntilMs <= bench.nowMs) {
      if (!message.done) expect(() => decideAck(bench.state, bench.overlay, handle, bench.nowMs)).toThrow(SaturnError);
      return;
    }
    if (step.kind === "ack" || step.kind === "ackLost") {
      bench.stage(decideAck(bench.state, bench.overlay, handle, bench.nowMs));
      message.done = step.kind === "ack";
      if (step.kind === "ack") bench.commit();
      else bench.crash();
      bench.commit();
      return;
    }
    const record =
      step.kind === "change"
        ? decideVisibility(bench.state, bench.overlay, handle, bench.nowMs, step.invisibleMs)
        : decideGiveBack(bench.state, bench.overlay, handle, bench.nowMs);
    this.#lease(record, message.holder);
    bench.commit();
    bench.expire();
    bench.commit();
  }

  /** After the most attempts a message is done, and what follows it may go. */
  #park(): void {
    for (const message of this.messages) {
      if (message.leasedUntilMs <= this.bench.nowMs && message.attempt >= this.bench.maxAttempts) message.done = true;
    }
    this.bench.expire();
    this.bench.commit();
  }
}

// Goal: reliability.md invariants 4 and 5 on one shard. Method: random commands on the real shard and on one object a message.
test("an ordered group gets each message group's messages one after another, and its groups side by side", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const pair = new Pair();
      for (const each of steps) pair.run(each);
      pair.check();
    }),
    { numRuns: 150 },
  );
});
