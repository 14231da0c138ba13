import { type Clock, SaturnError, type Timers } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import {
  type AckOutcome,
  type GivenHandle,
  type LedShards,
  NotLedError,
  noLeader,
  type ShardCalls,
} from "../led-shards.ts";
import { HeldCalls } from "./held-calls.ts";
import { Leaders } from "./leaders.ts";
import type { Brokers } from "./ports.ts";

/** Time kept for the answer to reach a client before it gives up. */
const answerMs = 200;

export type LeaderCallsOptions = {
  readonly self: number;
  readonly shards: LedShards;
  readonly brokers: Brokers;
  readonly clock: Clock;
  readonly timers: Timers;
  /** How long a call waits for a shard's leader, milliseconds. */
  readonly leaderWaitMs: number;
};

/** A handle of a call, its place among them, and the shard that it names. */
export type Placed = GivenHandle & { readonly at: number; readonly shard: number };

/**
 * Calls to whoever leads a shard. A call waits while nobody does, and goes to another broker only when it is proven that nothing came of it where it
 * was.
 */
export class LeaderCalls {
  readonly leaders: Leaders;
  readonly #options: LeaderCallsOptions;
  readonly #held = new HeldCalls();

  constructor(options: LeaderCallsOptions) {
    this.#options = options;
    this.leaders = new Leaders(options.timers);
  }

  /** Calls that wait for a leader now. */
  get held(): number {
    return this.#held.count;
  }

  /** The calls of a broker: this one's own, or another's. */
  of(broker: number): ShardCalls {
    return broker === this.#options.self ? this.#options.shards : this.#options.brokers.at(broker);
  }

  /** Until when a call may wait for a leader, by the monotonic clock. */
  patience(deadlineMs: number): number {
    return Math.min(deadlineMs - answerMs, this.#options.clock.monoMs() + this.#options.leaderWaitMs);
  }

  /**
   * Waits until `holds`, which changes of leaders may make true; false when it is too late.
   *
   * @throws {SaturnError} `TOO_MANY_REQUESTS` when too much waits already
   */
  wait(bytes: number, untilMs: number, holds: () => boolean): Promise<boolean> {
    const waitMs = untilMs - this.#options.clock.monoMs();
    return this.#held.hold(bytes, () => this.leaders.when(holds, waitMs));
  }

  /** Runs a call at a shard's leader, waiting for one as long as nothing came of the call. */
  async at<T>(shard: number, call: (leader: ShardCalls) => Promise<T>, untilMs = this.patience(Infinity)): Promise<T> {
    for (;;) {
      const outcome = await this.once(shard, async (leader) => ({ value: await call(leader) }));
      if (outcome !== undefined) return outcome.value;
      if (!(await this.wait(0, untilMs, () => this.leaders.of(shard) !== undefined))) throw noLeader(shard);
    }
  }

  /** The outcome of a call at a shard's leader; `undefined` if none is known or the one that was asked is none. */
  async once<T>(shard: number, call: (leader: ShardCalls) => Promise<T>): Promise<T | undefined> {
    const broker = this.leaders.of(shard);
    if (broker === undefined) return undefined;
    try {
      return await call(this.of(broker));
    } catch (error) {
      if (!(error instanceof NotLedError)) throw error;
      this.leaders.doubt(shard, broker);
      return undefined;
    }
  }

  /**
   * Asks leaders until what they covered has all of `shards`.
   *
   * @param ask answers which shards the broker covered
   */
  async each(shards: Iterable<number>, ask: (leader: ShardCalls) => Promise<Iterable<number>>): Promise<void> {
    const open = new Set(shards);
    const untilMs = this.patience(Infinity);
    for (;;) {
      for (const [broker, expected] of Map.groupBy(open, (shard) => this.leaders.of(shard))) {
        if (broker === undefined) continue;
        const covered = new Set(await this.once(expected[0] ?? 0, ask));
        for (const shard of expected) {
          if (covered.has(shard)) open.delete(shard);
          else this.leaders.doubt(shard, broker);
        }
      }
      const [missing] = open;
      if (missing === undefined) return;
      const led = (): boolean => [...open].some((shard) => this.leaders.of(shard) !== undefined);
      if (!(await this.wait(0, untilMs, led))) throw noLeader(missing);
    }
  }

  /** Acknowledges at all leaders at once; fills in the outcome of each handle at its place. */
  async acks(topic: TopicInfo, group: GroupInfo, placed: readonly Placed[], outcomes: AckOutcome[]): Promise<void> {
    const untilMs = this.patience(Infinity);
    let open = placed;
    while (open.length > 0) {
      const byBroker = Map.groupBy(open, ({ shard }) => this.leaders.of(shard));
      await Promise.all(Array.from(byBroker, ([broker, some]) => this.#acksAt(broker, topic, group, some, outcomes)));
      open = open.filter(({ at }) => outcomes[at] instanceof NotLedError);
      const led = (): boolean => open.some(({ shard }) => this.leaders.of(shard) !== undefined);
      if (open.length > 0 && !(await this.wait(0, untilMs, led))) return;
    }
  }

  async #acksAt(
    broker: number | undefined,
    topic: TopicInfo,
    group: GroupInfo,
    placed: readonly Placed[],
    outcomes: AckOutcome[],
  ): Promise<void> {
    const results = broker === undefined ? undefined : await this.#ackOutcomes(broker, topic, group, placed);
    placed.forEach(({ at, shard }, nth) => {
      const outcome = results === undefined ? new NotLedError(shard) : results[nth];
      outcomes[at] = outcome;
      if (broker !== undefined && outcome instanceof NotLedError) this.leaders.doubt(shard, broker);
    });
  }

  /** One outcome each, also when the call as a whole failed. */
  async #ackOutcomes(
    broker: number,
    topic: TopicInfo,
    group: GroupInfo,
    placed: readonly Placed[],
  ): Promise<readonly AckOutcome[]> {
    try {
      return await this.of(broker).ack(topic, group, placed);
    } catch (error) {
      if (error instanceof NotLedError) return placed.map(({ shard }) => new NotLedError(shard));
      if (error instanceof SaturnError) return placed.map(() => error);
      throw error;
    }
  }
}
