import { assert, defined, SaturnError } from "@saturnmq/kit";
import { recordAt, recordFlags, walkRecords } from "@saturnmq/store";
import type { AppliedEntry, Group, GroupMachine, Payload, SnapshotHead } from "raft-ts";
import { apply } from "../domain/apply.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../domain/checkpoint.ts";
import { decideAcks, decideExpiry, decideGiveBack, decideVisibility, type Refusals } from "../domain/leases.ts";
import { lockOf } from "../domain/order.ts";
import { Overlay } from "../domain/overlay.ts";
import { decideSend } from "../domain/queues.ts";
import { encodeReceiptHandle, type Handles, type ReceiptHandle } from "../domain/receipt-handle.ts";
import {
  addMessage,
  type MessageBytes,
  messageBytes,
  readRecord,
  recordBytes,
  writeDeadLetter,
  writeMessage,
  writeRecord,
} from "../domain/record-codec.ts";
import type { ControlRecord, DeadLettered, ShardRecord } from "../domain/shard-record.ts";
import type { ShardState } from "../domain/shard-state.ts";
import { ShardTime } from "../domain/shard-time.ts";
import { tagHash } from "../domain/tag-hash.ts";
import type { LoneMessage, OutgoingMessage, SendOutcome, Waiter } from "../messaging.ts";
import type { LogPoint, ShardHost } from "./shard-host.ts";
import { Staging } from "./staging.ts";

const noTag = new Uint8Array(0);
const utf8 = new TextEncoder();
const unknownOutcome =
  "this broker lost the lead of the shard before the outcome was known: it may or may not have been stored; try again";

type MessagePlace = { readonly topic: number; readonly queue: number };

/** The state and the overlay of a shard while it is led and served here. Compared by identity after every wait. */
export type Led = { readonly state: ShardState; readonly overlay: Overlay };

/**
 * One shard on this process: the state machine behind its Raft group, and the leader's side of it. Decides in the caller's turn, stages the
 * records, and answers when they are applied.
 */
export class ShardRuntime implements GroupMachine {
  readonly shard: number;
  #state: ShardState;
  readonly #host: ShardHost;
  readonly #staging: Staging;
  readonly #time = new ShardTime();
  /** Topics that records applied in this turn gave something to, and cursors' groups. */
  readonly #touched = new Set<number>();
  #group: Group | undefined;
  #led: Led | undefined;
  /** The lead is about to be handed over: nothing new is decided. */
  #retired = false;
  #applied: LogPoint;

  /** @param state the state at `applied`: a checkpoint's, or an empty one */
  constructor(shard: number, state: ShardState, applied: LogPoint, host: ShardHost) {
    this.shard = shard;
    this.#state = state;
    this.#host = host;
    this.#staging = new Staging(host.store.maxEntryBytes, host.totals);
    this.#applied = applied;
    this.#time.observe(state.timeMs, host.clock.monoMs(), false);
  }

  /** Gives the group that was opened with this machine. */
  attach(group: Group): void {
    assert(this.#group === undefined, "a shard has one group");
    this.#group = group;
  }

  /** What is applied. Another object after a snapshot was installed. */
  get state(): ShardState {
    return this.#state;
  }

  /** Set while this replica leads and serves. */
  get led(): Led | undefined {
    return this.#retired ? undefined : this.#led;
  }

  get appliedTo(): LogPoint {
    return this.#applied;
  }

  get stagedBytes(): number {
    return this.#staging.bytes;
  }

  /** True while no other replica can lead: what is told or handed out now cannot be contradicted. Reads the clock. */
  get leaseValid(): boolean {
    return this.#group?.leaseValid(this.#host.clock.monoMs()) ?? false;
  }

  /** Until then, by the monotonic clock, no other replica can lead. */
  get leaseUntilMonoMs(): number {
    return this.#group?.leaseUntilMonoMs ?? -Infinity;
  }

  /** Shard time now. */
  now(): number {
    return this.#time.now(this.#host.clock.monoMs());
  }

  /** Resolves when everything staged so far is applied; `undefined` when it is. @throws {SaturnError} `HA_NOT_AVAILABLE` if the lead was lost */
  settled(): Promise<void> | undefined {
    return this.#staging.applied();
  }

  /**
   * Stages messages of one topic in one entry. The caller waits for `settled` before it tells anyone.
   *
   * @param queueOf queue of each message, by its place among them
   */
  send(led: Led, topic: number, messages: readonly OutgoingMessage[], queueOf: (at: number) => number): SendOutcome[] {
    const tags = messages.map(({ tag }) => (tag === undefined ? noTag : utf8.encode(tag)));
    const bytes = messages.reduce((sum, { length }, at) => sum + messageBytes(length, tags[at]?.length ?? 0), 0);
    const nowMs = this.now();
    const wallMs = this.#host.clock.wallMs();
    // Refused before anything is staged: what follows is stored all or none.
    decideSend(led.overlay, { topic, queue: queueOf(0) }, nowMs, wallMs);
    // One sink for all of them: they share one entry.
    const sink = this.#staging.sink(bytes);
    const outcomes = messages.map((message, at) => {
      const stored = decideSend(led.overlay, { topic, queue: queueOf(at) }, nowMs, wallMs);
      const tag = tags[at] ?? noTag;
      const lock = message.messageGroup === undefined ? 0 : lockOf(message.messageGroup);
      writeMessage(sink, stored, message, tag, tagHash(tag), lock);
      led.overlay.add(stored);
      return { queue: stored.queue, offset: stored.offset, storedAtMs: stored.storedAtMs };
    });
    this.#group?.wake();
    return outcomes;
  }

  /**
   * Stages one message that is in no group, and has `waiter` told when it is applied.
   *
   * @throws {SaturnError} `TOPIC_NOT_FOUND` once the topic's delete is decided; then nothing is staged
   */
  sendOne(led: Led, place: MessagePlace, message: LoneMessage, waiter: Waiter, ticket: number): SendOutcome {
    const { tagLength } = message;
    const stored = decideSend(led.overlay, place, this.now(), this.#host.clock.wallMs());
    const sink = this.#staging.sink(messageBytes(message.length, tagLength));
    const at = addMessage(sink, stored, message, tagLength);
    message.write(sink.bytes, at);
    sink.setMessage(stored.topic, stored.queue, stored.offset, tagHash(sink.bytes, at, tagLength));
    led.overlay.add(stored);
    this.#staging.awaitSend(waiter, ticket, message.length);
    this.#group?.wake();
    return stored;
  }

  /** Has `waiter` told when everything staged so far is applied, or its outcome unknown. False: it is applied. */
  tell(waiter: Waiter, ticket: number): boolean {
    return this.#staging.tell(waiter, ticket);
  }

  /** Finishes the messages of handles; tells which are no good, and why. */
  ack(led: Led, handles: Handles): Refusals {
    assert(led === this.#led, "a record was decided by a leader of the past");
    const { records, refusals } = decideAcks(led.state, led.overlay, handles, this.now());
    for (const record of records) {
      writeRecord(this.#staging.sink(recordBytes(record)), record);
      this.#host.totals.ackedMessages += record.count;
    }
    if (records.length > 0) this.#group?.wake();
    return refusals;
  }

  /** Moves the end of a lease; the handle that replaces the old one. @throws {SaturnError} `INVALID_RECEIPT_HANDLE` */
  changeInvisible(led: Led, handle: ReceiptHandle, invisibleMs: number): string {
    const record = decideVisibility(led.state, led.overlay, handle, this.now(), invisibleMs);
    this.stage(led, record);
    const { deadlineMs, term, counter, attempt } = record;
    this.alarmAt(deadlineMs);
    return this.encodeHandle({ ...handle, deadlineMs, term, counter, attempt });
  }

  /** Gives a message back unread. @throws {SaturnError} `INVALID_RECEIPT_HANDLE` if its lease has ended */
  giveBack(led: Led, handle: ReceiptHandle): void {
    this.stage(led, decideGiveBack(led.state, led.overlay, handle, this.now()));
  }

  /** Stages one record and takes it into the overlay. */
  stage(led: Led, record: ControlRecord): void {
    assert(led === this.#led, "a record was decided by a leader of the past");
    writeRecord(this.#staging.sink(recordBytes(record)), record);
    led.overlay.add(record);
    this.#group?.wake();
  }

  /** Stages the record of a message that is given up, and takes it into the overlay. */
  stageDeadLetter(led: Led, record: DeadLettered, message: MessageBytes, tag: string): void {
    assert(led === this.#led, "a record was decided by a leader of the past");
    const bytes = tag === "" ? noTag : utf8.encode(tag);
    const sink = this.#staging.sink(messageBytes(message.length, bytes.length));
    writeDeadLetter(sink, record, message, bytes, tagHash(bytes));
    led.overlay.add(record);
    this.#group?.wake();
  }

  encodeHandle(handle: ReceiptHandle): string {
    return encodeReceiptHandle(handle, defined(this.#host.handleKeys()[0], "a receipt handle key"));
  }

  /** Has `expire` called when shard time reaches `timeMs`. */
  alarmAt(timeMs: number): void {
    this.#host.alarmAt(this.#time.monoAt(timeMs));
  }

  /** Ends leases whose time has come. @returns the monotonic time at which it should be called again, `Infinity` for none */
  expire(): number {
    const { led } = this;
    if (led === undefined) return Infinity;
    const { state, overlay } = led;
    const { parked, exhausted, ready } = decideExpiry(
      state,
      overlay,
      this.now(),
      (group) => this.#host.maxAttemptsOf(group),
      (group) => this.#host.deadLettersOf(group, 0) !== undefined,
    );
    if (exhausted.length > 0) this.#host.exhausted(this.shard, exhausted);
    for (const record of parked) writeRecord(this.#staging.sink(recordBytes(record)), record);
    if (parked.length > 0) this.#group?.wake();
    this.#host.totals.parkedMessages += parked.length;
    const { cursors, queues } = overlay.decided;
    for (const cursor of ready) {
      this.#host.ready(queues.topic[cursors.queueRow[cursor] ?? 0] ?? 0, cursors.group[cursor] ?? 0);
    }
    return this.#time.monoAt(overlay.nextDueMs);
  }

  /** The state as it is now, and the place in the log that it stands for. */
  checkpoint(): { readonly at: LogPoint; readonly parts: readonly Uint8Array[] } {
    return { at: this.#applied, parts: encodeCheckpoint(this.state) };
  }

  gather(maxBytes: number): Payload | undefined {
    const payload = this.#staging.gather(maxBytes);
    if (payload !== undefined) this.#host.gathered(this.shard);
    return payload;
  }

  apply(entry: AppliedEntry): void {
    const { payload, index, term } = entry;
    const { bytes } = payload;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    walkRecords(
      payload,
      (at) => {
        this.#applyRecord(readRecord(view, at), view, at, entry);
      },
      entry.summary,
    );
    this.#time.observe(this.state.timeMs, this.#host.clock.monoMs(), this.#led !== undefined);
    this.#applied = { index, term };
    if (this.#led !== undefined && payload.length > 0) this.#staging.entryApplied(payload.length);
  }

  applied(): void {
    this.#staging.answer(this.#host.clock.monoMs());
    const { led } = this;
    if (led === undefined) {
      this.#touched.clear();
      return;
    }
    if (led.overlay.awaitsCommit || led.overlay.nextDueMs <= this.now()) this.#host.alarmAt(this.expire());
    for (const topic of this.#touched) this.#host.ready(topic, undefined);
    this.#touched.clear();
    this.wakeOrdered(led);
  }

  /** Tells those who wait of locks that were released. */
  wakeOrdered({ overlay }: Led): void {
    const { cursors, queues } = overlay.decided;
    for (const cursor of overlay.ordered.awake()) {
      this.#host.ready(queues.topic[cursors.queueRow[cursor] ?? 0] ?? 0, cursors.group[cursor] ?? 0);
    }
  }

  leading(term: number): void {
    const overlay = new Overlay(this.state, term, this.now());
    this.#led = { state: this.state, overlay };
    this.#retired = false;
    this.#host.logger.info({ shard: this.shard, term, index: this.#applied.index }, "shard is served here");
    this.#host.alarmAt(this.expire());
    this.#host.leading(this.shard, term);
  }

  following(leader: number): void {
    if (this.#led !== undefined)
      this.#host.logger.info({ shard: this.shard, leader }, "shard is not served here any more");
    this.#led = undefined;
    this.#retired = false;
    this.#host.following(this.shard);
    this.#staging.fail(new SaturnError("HA_NOT_AVAILABLE", unknownOutcome), this.#host.clock.monoMs());
  }

  /**
   * Decides nothing new, and resolves when all that was decided is settled: so the lead can be handed over without leaving anybody's outcome unknown.
   * Resolves at once while this replica does not lead.
   */
  async retire(): Promise<void> {
    if (this.led === undefined) return;
    this.#retired = true;
    this.#host.following(this.shard);
    // A lead that is lost meanwhile has told those who wait.
    await this.settled()?.catch(() => undefined);
  }

  /** The hand-over did not begin: serves as before. */
  resume(): void {
    if (this.#retired && this.#led !== undefined) this.leading(this.#led.overlay.term);
  }

  /** Goes on from the checkpoint that a leader sent: what this replica held is outdated. */
  async restore({ index, term }: SnapshotHead): Promise<void> {
    const { store, clock, logger } = this.#host;
    const checkpoint = defined(await store.readCheckpoint(this.shard), "an installed checkpoint");
    assert(checkpoint.index === index && checkpoint.term === term, "the newest checkpoint is not the installed one");
    this.#state = decodeCheckpoint(checkpoint.bytes);
    this.#applied = { index, term };
    this.#touched.clear();
    this.#time.observe(this.#state.timeMs, clock.monoMs(), false);
    logger.info({ shard: this.shard, index, term }, "a snapshot was installed");
    this.#host.restored(this.#applied);
  }

  #applyRecord(record: ShardRecord, view: DataView, at: number, entry: AppliedEntry): void {
    apply(this.state, record);
    if (record.kind === "message" || record.kind === "deadLettered") {
      if (!entry.summary) this.#index(record.topic, record.queue, record.offset, view, at, entry);
      this.#touched.add(record.topic);
    } else if (record.kind === "cursorStarted" || record.kind === "filterAdded" || record.kind === "filterRemoved") {
      this.#touched.add(record.topic);
    } else if (record.kind === "logStartRaised") {
      this.#host.store.setLogStart(this.shard, this.state.logStart);
    }
  }

  #index(stream: number, partition: number, offset: number, view: DataView, at: number, entry: AppliedEntry): void {
    assert(view.getUint8(at + recordAt.flags) === recordFlags.message, "a message record is not marked as one");
    this.#host.store.indexMessage({ group: this.shard, stream, partition }, offset, {
      segment: entry.position.segment,
      offset: entry.position.offset + at - entry.payload.start,
      length: view.getUint32(at + recordAt.length, true),
      tagHash: view.getUint32(at + recordAt.tagHash, true),
    });
  }
}
