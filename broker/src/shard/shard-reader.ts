import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Filter } from "../domain/filter.ts";
import type { RecordedFilter } from "../domain/filter-table.ts";
import { decideSkip } from "../domain/filters.ts";
import { decideLease, type Reader } from "../domain/leases.ts";
import type { Left, Taken } from "../domain/overlay.ts";
import { extend, type Run } from "../domain/runs.ts";
import type { Delivery } from "../messaging.ts";
import { Beginnings } from "./beginnings.ts";
import { Deliveries } from "./deliveries.ts";
import { OrderedReader } from "./ordered-reader.ts";
import type { ShardHost } from "./shard-host.ts";
import type { ShardReceive } from "./shard-receive.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import { type Sifted, sift } from "./sift.ts";
import { type ReadMessage, StoredMessages } from "./stored-messages.ts";

/** Messages that one receive may look at before it lets others run (design 7). */
const scanMax = 10_000;
/** With a filter, messages looked at in one step. */
const scanStep = 256;

/** Takes, reads, filters and leases the messages of one shard. */
export class ShardReader {
  readonly #shard: ShardRuntime;
  readonly #host: ShardHost;
  readonly #messages: StoredMessages;
  readonly #beginnings: Beginnings;
  readonly #deliveries: Deliveries;
  /** For ordered groups. */
  readonly ordered: OrderedReader;

  constructor(shard: ShardRuntime, host: ShardHost) {
    this.#shard = shard;
    this.#host = host;
    this.#messages = new StoredMessages(host.store, shard.shard);
    this.#beginnings = new Beginnings(shard, host, this.#messages);
    this.#deliveries = new Deliveries(shard, host);
    this.ordered = new OrderedReader(shard, host, this.#messages, this.#beginnings, this.#deliveries);
  }

  get messages(): StoredMessages {
    return this.#messages;
  }

  get beginnings(): Beginnings {
    return this.#beginnings;
  }

  /**
   * Whether a receive would find something to look at, without reading. Begins groups on queues that they have not read yet, and adds
   * their filters.
   *
   * @throws {SaturnError} `ILLEGAL_FILTER_EXPRESSION` when the group has too many filters on the topic
   */
  hasReady(topic: TopicInfo, group: GroupInfo, queues: readonly number[], filter: Filter): boolean {
    const { led } = this.#shard;
    if (led === undefined || !this.#shard.leaseValid) return false;
    const recorded = this.#beginnings.filter(led, topic, group, filter);
    const { overlay, state } = led;
    const reads = group.order ? overlay.ordered : overlay;
    let ready = false;
    // All of them are asked, so that all begin.
    for (const queue of queues) {
      const cursor = this.#beginnings.cursor(led, topic, group, queue);
      if (ready || cursor < 0 || recorded === undefined) continue;
      ready = reads.hasReady(state, cursor, recorded.number);
    }
    return ready;
  }

  /** Leases up to `count` ready messages. Empty when there are none, or the leader lease ended meanwhile. */
  async receive(request: ShardReceive): Promise<Delivery[]> {
    if (request.group.order) return this.ordered.receive(request);
    const { led } = this.#shard;
    const deliveries: Delivery[] = [];
    if (led === undefined) return deliveries;
    const filter = this.#beginnings.filter(led, request.topic, request.group, request.filter);
    if (filter === undefined) return deliveries;
    let budget = scanMax;
    for (let at = 0; at < request.queues.length; at += 1) {
      const queue = request.queues[(request.from + at) % request.queues.length] ?? 0;
      const cursor = this.#beginnings.cursor(led, request.topic, request.group, queue);
      if (cursor < 0) continue;
      const reader = { cursor, group: request.group.id, topic: request.topic.id, queue };
      while (deliveries.length < request.count && budget > 0 && led === this.#shard.led && request.alive()) {
        const missing = request.count - deliveries.length;
        const steps = filter.test.wantsAll ? missing : Math.min(budget, scanStep);
        const taken = led.overlay.take(led.state, cursor, filter.number, steps);
        if (taken.runs.length === 0) break;
        budget -= taken.runs.reduce((sum, { count }) => sum + count, 0);
        deliveries.push(...(await this.#deliver(led, reader, filter, taken, request, missing)));
      }
    }
    return deliveries;
  }

  /** Reads and leases taken messages; what nobody wants is finished, what this one does not need is given back. */
  async #deliver(
    led: Led,
    reader: Reader,
    filter: RecordedFilter,
    taken: Taken,
    request: ShardReceive,
    count: number,
  ): Promise<Delivery[]> {
    const { overlay } = led;
    const sifted = await this.#sift(led, reader, filter, taken, count);
    // The lead or the cursor went away while messages were read.
    if (led !== this.#shard.led || !overlay.holds(taken)) return [];
    const unwanted = sifted.unwanted.sort((a, b) => a.offset - b.offset);
    const { records, left } = decideSkip(overlay, reader, filter.number, unwanted, this.#shard.now());
    for (const record of records) this.#shard.stage(led, record);
    const wanted: Run[] = [];
    for (const offset of sifted.found.keys()) extend(wanted, offset, 1);
    const deliveries =
      request.alive() && this.#shard.leaseValid ? this.#lease(led, reader, wanted, request, sifted.found) : [];
    this.#end(led, reader, taken, left, sifted.unreadable);
    return deliveries;
  }

  async #sift(led: Led, reader: Reader, { test }: RecordedFilter, taken: Taken, count: number): Promise<Sifted> {
    const min = (): number => led.overlay.decided.minOf(reader.cursor);
    const corrupt = (offset: number, err: Error): void => {
      this.#deliveries.corrupt(reader, offset, err);
    };
    try {
      return await sift({ messages: this.#messages, reader, test, count, min, corrupt }, taken.runs);
    } catch (error) {
      this.#end(led, reader, taken);
      throw error;
    }
  }

  #end(led: Led, reader: Reader, taken: Taken, left: readonly Left[] = [], unreadable: readonly number[] = []): void {
    const others = led.overlay.end(taken, left, unreadable);
    if (others && led === this.#shard.led) this.#host.ready(reader.topic, reader.group);
  }

  #lease(
    led: Led,
    reader: Reader,
    runs: readonly Run[],
    { invisibleMs }: ShardReceive,
    found: ReadonlyMap<number, ReadMessage>,
  ): Delivery[] {
    const records = decideLease(led.overlay, reader, runs, this.#shard.now(), invisibleMs);
    return records.flatMap((record) => this.#deliveries.stage(led, reader, record, invisibleMs, found));
  }
}
