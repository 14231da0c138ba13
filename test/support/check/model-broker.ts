import { defined, SeededRandom } from "@saturnmq/kit";
import type { Delivery, History, MessageName, Read, Reading, Send, SendOutcome, Settlement } from "./history.ts";

/** One stored message and what the model's one consumer group made of it. */
type Stored = {
  readonly name: MessageName;
  readonly messageGroup: string | undefined;
  readonly queue: number;
  readonly offset: number;
  attempt: number;
  leasedUntilMs: number;
  /** Number of the receive whose handles are good. */
  holder: number;
  done: boolean;
};

/** A delivery that its consumer has not settled. */
type Held = { readonly delivery: Delivery; readonly stored: Stored };

const queueCount = 3;
const producerCount = 4;
const consumerGroup = "model-readers";
/** Odd producers write to a message group of their own. */
const groupOf = (producer: number): string | undefined => (producer % 2 === 1 ? `group-${producer}` : undefined);

/**
 * A broker of one consumer group in virtual time, and its clients: what they are told is a history that a correct cluster can give. Sends without an
 * answer are stored or not; while something is down clients repeat sends, and leases of ungrouped messages may be forgotten; leases run out, are given
 * back, and are acknowledged with or without an answer.
 */
export class ModelBroker {
  readonly #random: SeededRandom;
  readonly #queues: Stored[][] = Array.from({ length: queueCount }, () => []);
  readonly #sequences = Array<number>(producerCount).fill(0);
  readonly #sends: Send[] = [];
  readonly #deliveries: Delivery[] = [];
  readonly #settlements: Settlement[] = [];
  readonly #disturbances: { what: string; fromMs: number; untilMs: number }[] = [];
  readonly #held: Held[] = [];
  #nowMs = 0;
  #receives = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** Lives for so many steps, is drained, and is read. */
  live(steps: number): History {
    for (let step = 0; step < steps; step += 1) this.#step();
    this.#endDisturbance();
    for (let open = this.#open(); open > 0; open = this.#open()) {
      this.#nowMs += 400;
      this.#receive();
      for (const held of this.#held.splice(0)) this.#settle(held, "ack", "ok");
    }
    const reads = this.#readAll();
    return {
      ...{ sends: this.#sends, deliveries: this.#deliveries, settlements: this.#settlements },
      ...{ disturbances: this.#disturbances, drained: [consumerGroup], locked: [], expired: new Map() },
      readings: [{ reader: "at the end", reads }],
      replicas: ["one", "two", "three"].map((reader): Reading => ({ reader, reads })),
    };
  }

  #step(): void {
    this.#nowMs += 1 + this.#random.below(30);
    const choice = this.#random.below(100);
    if (choice < 40) this.#send(this.#random.below(producerCount));
    else if (choice < 70) this.#receive();
    else if (choice < 95) this.#settleOne();
    else if (this.#isDisturbed) this.#endDisturbance();
    else
      this.#disturbances.push({ what: "a member was killed", fromMs: this.#nowMs, untilMs: Number.POSITIVE_INFINITY });
  }

  get #isDisturbed(): boolean {
    return this.#disturbances.at(-1)?.untilMs === Number.POSITIVE_INFINITY;
  }

  #endDisturbance(): void {
    const last = this.#disturbances.at(-1);
    if (last !== undefined) last.untilMs = Math.min(last.untilMs, this.#nowMs);
  }

  #send(producer: number): void {
    const name: MessageName = { producer, sequence: defined(this.#sequences[producer], "sequence") };
    this.#sequences[producer] = name.sequence + 1;
    const messageGroup = groupOf(producer);
    const queue = messageGroup === undefined ? this.#random.below(queueCount) : producer % queueCount;
    const invokedMs = this.#nowMs;
    // Some clients send again by themselves what got no answer.
    const repeats = producer < 2 && this.#isDisturbed ? this.#random.below(2) : 0;
    if (repeats > 0) this.#store(name, messageGroup, queue);
    const outcome = this.#outcome(name, messageGroup, queue);
    this.#nowMs += this.#random.below(10);
    const grouped = messageGroup === undefined ? {} : { messageGroup };
    this.#sends.push({ ...name, ...grouped, invokedMs, endedMs: this.#nowMs, outcome, repeats });
  }

  #outcome(name: MessageName, messageGroup: string | undefined, queue: number): SendOutcome {
    const choice = this.#random.below(10);
    // A refusal proves that nothing was stored: no attempt of it may have been.
    if (choice === 0 && !this.#isThere(name)) return { kind: "fail" };
    if (choice === 1) {
      if (this.#random.below(2) === 0 && !this.#isThere(name)) this.#store(name, messageGroup, queue);
      return { kind: "info" };
    }
    return { kind: "ok", offset: this.#store(name, messageGroup, queue) };
  }

  #isThere({ producer, sequence }: MessageName): boolean {
    return this.#queues.some((queue) =>
      queue.some(({ name }) => name.producer === producer && name.sequence === sequence),
    );
  }

  #store(name: MessageName, messageGroup: string | undefined, queue: number): number {
    const messages = defined(this.#queues[queue], "queue");
    const offset = messages.length;
    messages.push({ name, messageGroup, queue, offset, attempt: 0, leasedUntilMs: 0, holder: 0, done: false });
    return offset;
  }

  /** One receive, which may have waited long for its answer. */
  #receive(): void {
    const invokedMs = this.#nowMs - this.#random.below(200);
    const receivedMs = this.#nowMs + this.#random.below(15);
    const invisibleMs = 100 + this.#random.below(400);
    this.#receives += 1;
    const taken = this.#available().slice(0, 1 + this.#random.below(4));
    for (const [position, stored] of taken.entries()) {
      stored.attempt += 1;
      stored.holder = this.#receives;
      stored.leasedUntilMs = this.#nowMs + invisibleMs;
      const { name, queue, offset, attempt } = stored;
      const content = { kind: "message" as const, ...name };
      const delivery = { consumerGroup, receive: this.#receives, position, queue, offset, content };
      const told = { ...delivery, invokedMs, receivedMs, invisibleMs, attempt };
      this.#deliveries.push(told);
      this.#held.push({ delivery: told, stored });
      this.#maybeForget(stored);
    }
    this.#nowMs = receivedMs;
  }

  /** The record of a lease is lost with its leader, unless it was waited for: as it is for grouped messages. */
  #maybeForget(stored: Stored): void {
    if (!this.#isDisturbed || stored.messageGroup !== undefined || this.#random.below(2) === 0) return;
    stored.attempt -= 1;
    stored.leasedUntilMs = 0;
    stored.holder = 0;
  }

  /** A queue's messages that may be handed out together, in order. */
  #available(): readonly Stored[] {
    const messages = defined(this.#queues[this.#random.below(queueCount)], "queue");
    const taken: Stored[] = [];
    for (const stored of messages) {
      if (stored.done || stored.leasedUntilMs > this.#nowMs) continue;
      const { messageGroup, offset } = stored;
      const isNext = messages
        .slice(0, offset)
        .every((other) => other.messageGroup !== messageGroup || other.done || taken.includes(other));
      if (messageGroup === undefined || isNext) taken.push(stored);
    }
    return taken;
  }

  #settleOne(): void {
    const at = this.#random.below(Math.max(1, this.#held.length));
    const [held] = this.#held.splice(at, 1);
    if (held === undefined) return;
    const kind = this.#random.below(4) === 0 ? "release" : "ack";
    this.#settle(held, kind, this.#random.below(6) === 0 ? "info" : "ok");
  }

  #settle({ delivery, stored }: Held, kind: "ack" | "release", wish: "ok" | "info"): void {
    const invokedMs = this.#nowMs;
    this.#nowMs += this.#random.below(8);
    const holds = !stored.done && stored.holder === delivery.receive && stored.leasedUntilMs > this.#nowMs;
    // Without an answer nobody knows whether it was done.
    const isApplied = holds && (wish === "ok" || this.#random.below(2) === 0);
    if (isApplied && kind === "ack") stored.done = true;
    if (isApplied && kind === "release") stored.leasedUntilMs = this.#nowMs;
    const outcome = holds || wish === "info" ? wish : "fail";
    const { receive, position } = delivery;
    this.#settlements.push({ kind, consumerGroup, receive, position, invokedMs, endedMs: this.#nowMs, outcome });
  }

  #open(): number {
    return this.#queues.flat().filter(({ done }) => !done).length;
  }

  #readAll(): readonly Read[] {
    const reads: Read[] = [];
    let batch = 0;
    for (const messages of this.#queues) {
      for (const { name, queue, offset } of messages) {
        if (offset % 3 === 0) batch += 1;
        reads.push({ queue, offset, batch, content: { kind: "message", ...name } });
      }
      batch += 1;
    }
    return reads;
  }
}
