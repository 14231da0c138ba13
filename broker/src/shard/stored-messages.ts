import { defined, SaturnError } from "@saturnmq/kit";
import { CorruptionError, type LogStore, type RecordPosition, type RecordRead } from "@saturnmq/store";
import { messageParts, type StoredMessage } from "../domain/record-codec.ts";

/** Messages read together; an error where one cannot be read. */
export type MessageReads = readonly (ReadMessage | Error)[];

/** Damaged neighbours that are passed to find a time. */
const damagedMax = 1_000;

const utf8 = new TextDecoder();

/** A message read from the log. Nobody else writes to its bytes. */
export class ReadMessage {
  readonly message: Uint8Array;
  readonly #record: Uint8Array;
  readonly #parts: StoredMessage;

  constructor(record: Uint8Array) {
    this.#record = record;
    this.#parts = messageParts(record);
    this.message = record.subarray(this.#parts.messageStart, this.#parts.messageEnd);
  }

  get bodyCrc(): number {
    return this.#parts.bodyCrc;
  }

  get storedAtMs(): number {
    return this.#parts.storedAtMs;
  }

  /** What it is in an order by, 0 for nothing. */
  get lock(): number {
    return this.#parts.lock;
  }

  /** Empty when it has none. Read when it is asked for: most groups want all, whatever their tags. */
  get tag(): string {
    const { tagStart, tagLength } = this.#parts;
    return tagLength === 0 ? "" : utf8.decode(this.#record.subarray(tagStart, tagStart + tagLength));
  }
}

/** One shard's messages by their place. Answers in the caller's turn what is in memory. */
export class StoredMessages {
  readonly #store: LogStore;
  readonly #shard: number;

  constructor(store: LogStore, shard: number) {
    this.#store = store;
    this.#shard = shard;
  }

  /** Index rows of [offset, offset + count), which were applied and not trimmed when this is called. */
  rows(topic: number, queue: number, offset: number, count: number): ReturnType<LogStore["lookup"]> {
    return this.#store.lookup({ group: this.#shard, stream: topic, partition: queue }, offset, count);
  }

  /** The messages at places, in the same order: in the caller's turn if they are in memory. An error where there is none, as `LogStore.readRecords` says. */
  read(positions: readonly RecordPosition[]): MessageReads | Promise<MessageReads> {
    const reads = this.#store.readRecords(positions);
    return reads instanceof Promise ? reads.then(messagesIn) : messagesIn(reads);
  }

  /**
   * Store time of a message that is kept, milliseconds since the Unix epoch; of the next one up to `next` that can be read, if it is damaged, and
   * `Infinity` if there is none near.
   */
  async storedAtMs(topic: number, queue: number, offset: number, next: number): Promise<number> {
    for (let at = offset; at < Math.min(next, offset + damagedMax); at += 1) {
      try {
        return (await this.one(topic, queue, at)).storedAtMs;
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
      }
    }
    return Infinity;
  }

  /**
   * A message that is kept.
   *
   * @throws {SaturnError} `HA_NOT_AVAILABLE` while this replica does not hold it: it is being filled in, or was given up during the call
   */
  async one(topic: number, queue: number, offset: number): Promise<ReadMessage> {
    const [row] = await this.rows(topic, queue, offset, 1);
    if (row === undefined)
      throw new SaturnError(
        "HA_NOT_AVAILABLE",
        `offset ${offset} of queue ${queue} is not here at the moment, as its shard is on its way: try again`,
      );
    const [read] = await this.read([row]);
    if (read === undefined || read instanceof Error) throw defined(read, "a record that was read");
    return read;
  }

  /** First offset in [from, to) for which `test` holds, `to` if none; it must hold for all after the first. */
  async first(from: number, to: number, test: (offset: number) => Promise<boolean>): Promise<number> {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (await test(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** First offset in [from, to) stored at or after a time, `to` if none. Store times never go back within a shard. */
  firstStoredSince(topic: number, queue: number, from: number, to: number, timeMs: number): Promise<number> {
    return this.first(from, to, async (offset) => (await this.storedAtMs(topic, queue, offset, to)) >= timeMs);
  }
}

function messagesIn(reads: readonly RecordRead[]): MessageReads {
  return reads.map((read) => (read instanceof Error ? read : new ReadMessage(read)));
}
