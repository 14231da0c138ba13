import { SaturnError } from "@saturnmq/kit";
import { CorruptionError } from "@saturnmq/store";
import { type DeadLetterPlace, decideDeadLetter, decidePark, mayGiveUp } from "../domain/dead-letters.ts";
import type { GivenUp } from "../domain/leases.ts";
import type { ReceiptHandle } from "../domain/receipt-handle.ts";
import { deadLetterForm } from "./dead-letter-form.ts";
import type { ShardHost } from "./shard-host.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import type { ReadMessage, StoredMessages } from "./stored-messages.ts";

/** How soon a message that could not be given up is tried again: the disk is full, or its topic is not known here. */
const retryMs = 1_000;
/** Bytes staged beyond which the next message waits for a commit. */
const stagedMax = 8 * 1_048_576;

/** Moves the messages of one shard that their groups give up to the groups' dead letters, one after another. */
export class DeadLetters {
  readonly #shard: ShardRuntime;
  readonly #host: ShardHost;
  readonly #messages: StoredMessages;
  readonly #waiting: GivenUp[] = [];
  #running = false;

  constructor(shard: ShardRuntime, host: ShardHost, messages: StoredMessages) {
    this.#shard = shard;
    this.#host = host;
    this.#messages = messages;
  }

  /** Gives messages up whose attempts are used up. They are nobody's until that is done. */
  bury(givenUp: readonly GivenUp[]): void {
    this.#waiting.push(...givenUp);
    if (!this.#running) void this.#run();
  }

  /** Gives the message of a handle up. The caller waits for `settled`. @throws {SaturnError} `INVALID_RECEIPT_HANDLE` */
  async forward(led: Led, handle: ReceiptHandle): Promise<void> {
    if (!mayGiveUp(led.state, led.overlay, handle, this.#shard.now())) return;
    const read = await this.#read(handle);
    if (led !== this.#shard.led) throw new SaturnError("HA_NOT_AVAILABLE", "the shard's leader has changed: try again");
    // Its lease may have ended while it was read.
    if (mayGiveUp(led.state, led.overlay, handle, this.#shard.now())) this.#giveUp(led, handle, read);
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await this.#one(next);
    } finally {
      this.#running = false;
    }
  }

  async #one(givenUp: GivenUp): Promise<void> {
    const { led } = this.#shard;
    if (led === undefined) return;
    const { decided } = led.overlay;
    const cursor = decided.cursorOf(givenUp.group, givenUp.topic, givenUp.queue);
    // Trimmed, skipped or deleted while it waited for its turn.
    if (cursor < 0 || decided.isDone(cursor, givenUp.offset)) return;
    try {
      if (this.#host.store.usage().full) {
        this.#later(led, givenUp);
        return;
      }
      const read = await this.#read(givenUp);
      if (led !== this.#shard.led) return;
      this.#giveUp(led, givenUp, read);
      if (this.#shard.stagedBytes > stagedMax) await this.#shard.settled();
    } catch (err) {
      if (err instanceof SaturnError && led !== this.#shard.led) return;
      this.#host.logger.error({ ...givenUp, shard: this.#shard.shard, err }, "a message was not given up yet");
      if (led === this.#shard.led) this.#later(led, givenUp);
    }
  }

  #later(led: Led, { group, topic, queue, offset }: GivenUp): void {
    const untilMs = this.#shard.now() + retryMs;
    led.overlay.postpone(led.overlay.decided.cursorOf(group, topic, queue), offset, untilMs);
    this.#shard.alarmAt(untilMs);
  }

  /** Without a topic for them, or bytes to keep, it is parked. */
  #giveUp(led: Led, { group, topic, queue, offset }: GivenUp, read: ReadMessage | undefined): void {
    const givenUp = { group, topic, queue, offset };
    const names = this.#host.deadLettersOf(group, topic);
    const nowMs = this.#shard.now();
    if (names === undefined || read === undefined) {
      const record = decidePark(led.overlay, givenUp, nowMs);
      if (record === undefined) return;
      this.#shard.stage(led, record);
      this.#host.totals.parkedMessages += 1;
      return;
    }
    const to: DeadLetterPlace = { topic: names.id, queue: this.#shard.shard };
    const record = decideDeadLetter(led.overlay, givenUp, to, nowMs, this.#host.clock.wallMs());
    if (record === undefined) return;
    const form = deadLetterForm(read.message, read.bodyCrc, { topic: names.origin, deadLetterTopic: names.name });
    this.#shard.stageDeadLetter(led, record, form, read.tag);
    this.#host.totals.deadLetteredMessages += 1;
  }

  /** `undefined` for one that is damaged. */
  async #read({ topic, queue, offset }: Pick<GivenUp, "topic" | "queue" | "offset">): Promise<ReadMessage | undefined> {
    try {
      return await this.#messages.one(topic, queue, offset);
    } catch (err) {
      if (!(err instanceof CorruptionError)) throw err;
      this.#host.logger.error(
        { shard: this.#shard.shard, topic, queue, offset, err },
        "a stored message is corrupt and is parked instead of kept as a dead letter",
      );
      return undefined;
    }
  }
}
