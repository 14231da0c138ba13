import { assert } from "@saturnmq/kit";
import type { Reader } from "../domain/leases.ts";
import type { Leased } from "../domain/shard-record.ts";
import type { Delivery } from "../messaging.ts";
import type { ShardHost } from "./shard-host.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import type { ReadMessage } from "./stored-messages.ts";

/** Turns leases of one shard into what is handed to a client. */
export class Deliveries {
  readonly #shard: ShardRuntime;
  readonly #host: ShardHost;

  constructor(shard: ShardRuntime, host: ShardHost) {
    this.#shard = shard;
    this.#host = host;
  }

  /** Stages a lease of messages that were read; what a client gets for it. */
  stage(
    led: Led,
    { cursor, group, topic, queue }: Reader,
    record: Leased,
    invisibleMs: number,
    found: ReadonlyMap<number, ReadMessage>,
  ): Delivery[] {
    const epoch = led.overlay.decided.cursors.epoch[cursor] ?? 0;
    this.#shard.stage(led, record);
    this.#shard.alarmAt(record.deadlineMs);
    const { attempt, term, deadlineMs } = record;
    const deliveries: Delivery[] = [];
    const { shard } = this.#shard;
    const lease = { shard, topic, group, epoch, queue, offset: 0, attempt, term, counter: 0, deadlineMs };
    for (let at = 0; at < record.count; at += 1) {
      const offset = record.offset + at;
      const read = found.get(offset);
      assert(read !== undefined, "a message was leased without being read");
      lease.offset = offset;
      lease.counter = record.counter + at;
      const receiptHandle = this.#shard.encodeHandle(lease);
      const { message, bodyCrc, storedAtMs } = read;
      deliveries.push({ message, bodyCrc, queue, offset, storedAtMs, attempt, receiptHandle, invisibleMs });
    }
    const { totals } = this.#host;
    totals.deliveredMessages += record.count;
    if (attempt > 1) totals.redeliveredMessages += record.count;
    return deliveries;
  }

  /** Tells of a message whose bytes are not what was written. */
  corrupt(reader: Reader, offset: number, err: Error): void {
    this.#host.logger.error(
      { ...reader, shard: this.#shard.shard, offset, err },
      "a stored message is corrupt and is not delivered",
    );
  }
}
