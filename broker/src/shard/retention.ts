import type { Clock, Logger } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import type { ClusterView } from "@saturnmq/wire";
import { decideLogStart, decideTrim } from "../domain/queues.ts";
import { type Dropped, decideDropped } from "../domain/retention.ts";
import type { ReadableShard } from "./readable-shard.ts";
import type { Led } from "./shard-runtime.ts";

export type RetentionOptions = {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly shards: ReadonlyMap<number, ReadableShard>;
  readonly retentionMs: number;
  readonly retentionBytes: number | (() => Promise<number>);
  readonly view: () => ClusterView | undefined;
};

/**
 * Decides what is kept no longer: whole segments, oldest first, by age and by the log's size; and messages of topics with a shorter
 * retention of their own.
 */
export class Retention {
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Commits new minimum offsets and a new log start for each shard with entries in the oldest segments that must go. */
  async dropSegments(): Promise<void> {
    const { retentionBytes } = this.#options;
    const bytes = typeof retentionBytes === "number" ? retentionBytes : await retentionBytes();
    const { store, clock, shards } = this.#options;
    const oldestMs = clock.wallMs() - this.#longestMs();
    const dropped = decideDropped(store.segments(), { oldestMs, excessBytes: store.usage().logBytes - bytes });
    for (const [number, share] of dropped) {
      const shard = shards.get(number);
      const led = shard?.runtime.led;
      if (shard === undefined || led === undefined || led.overlay.decided.logStart > share.end) continue;
      await this.#dropFrom(shard, led, share);
    }
  }

  /** Trims queues of topics whose own retention is shorter than the cluster's, message by message. */
  async trimShortTopics(): Promise<void> {
    const { clock, retentionMs } = this.#options;
    const topics = this.#options.view()?.topics.values() ?? [];
    const short = new Map<number, number>();
    for (const topic of topics) {
      if (topic.retentionMs !== undefined && topic.retentionMs < retentionMs) short.set(topic.id, topic.retentionMs);
    }
    if (short.size === 0) return;
    for (const shard of this.#options.shards.values()) {
      await this.#eachQueue(shard, async (topic, queue, min, next) => {
        const keptMs = short.get(topic);
        if (keptMs === undefined || min >= next) return min;
        const since = clock.wallMs() - keptMs;
        if ((await shard.reader.messages.storedAtMs(topic, queue, min, next)) >= since) return min;
        return shard.reader.messages.firstStoredSince(topic, queue, min, next, since);
      });
    }
  }

  /** A segment holds messages of many topics: by age it goes when the longest retention is over. */
  #longestMs(): number {
    let longest = this.#options.retentionMs;
    for (const { retentionMs } of this.#options.view()?.topics.values() ?? []) {
      longest = Math.max(longest, retentionMs ?? 0);
    }
    return longest;
  }

  async #dropFrom(shard: ReadableShard, led: Led, { end, segments }: Dropped): Promise<void> {
    const { runtime, reader } = shard;
    const inDropped = async (topic: number, queue: number, offset: number): Promise<boolean> => {
      const [row] = await reader.messages.rows(topic, queue, offset, 1);
      return row !== undefined && segments.has(row.segment);
    };
    await this.#eachQueue(shard, async (topic, queue, min, next) => {
      if (min >= next || !(await inDropped(topic, queue, min))) return min;
      return reader.messages.first(min, next, async (offset) => !(await inDropped(topic, queue, offset)));
    });
    if (led !== runtime.led) return;
    const record = decideLogStart(led.overlay, end + 1, runtime.now());
    if (record === undefined) return;
    runtime.stage(led, record);
    await runtime.settled();
    this.#options.logger.info({ shard: runtime.shard, index: end }, "retention dropped the oldest entries of a shard");
  }

  /** Asks for the new minimum offset of each queue of a shard and commits those that changed. */
  async #eachQueue(
    { runtime }: ReadableShard,
    newMin: (topic: number, queue: number, min: number, next: number) => Promise<number>,
  ): Promise<void> {
    const { led } = runtime;
    if (led === undefined) return;
    const { queues } = led.state;
    for (let row = 0; row < queues.end; row += 1) {
      if (led !== runtime.led) return;
      if (!queues.holds(row)) continue;
      const [topic, queue, min] = [queues.topic[row] ?? 0, queues.queue[row] ?? 0, queues.min[row] ?? 0];
      const to = await newMin(topic, queue, min, queues.next[row] ?? 0);
      if (to <= min || led !== runtime.led) continue;
      const record = decideTrim(led.overlay, { topic, queue }, to, runtime.now());
      if (record !== undefined) runtime.stage(led, record);
    }
  }
}
