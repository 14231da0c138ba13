import type { SaturnError } from "@saturnmq/kit";
import { AckReply, AckScanner, v2 } from "@saturnmq/wire";
import { noRefusals, type Refusals } from "../../domain/leases.ts";
import type { Waiter } from "../../messaging.ts";
import type { FastCall } from "../transport/service.ts";
import { acksReply } from "./acks-reply.ts";
import { clientHeaders, clientIdProblem, languageOf } from "./names.ts";
import { ParkedCalls } from "./parked-calls.ts";
import { RecentNames } from "./recent-names.ts";
import type { Renewals } from "./renewals.ts";
import type { Room } from "./room.ts";
import { ok, okCode } from "./status.ts";

const rpc = "AckMessage";
/** A longer request goes the general way; 32 entries of official clients take a tenth of it. */
const requestBytesMax = 65_536;
/** Room for replies that a row keeps for its next call. */
const keptBytes = 16_384;
const nothing = Buffer.alloc(0);

/**
 * AckMessage of messages that were received here and are finished at once, without an object, promise or closure an entry. The reply is written while
 * the request is at hand and waits, as bytes, until the records are committed. Whatever is not in order, or of several shards, or not of this broker's
 * shards, it leaves untouched to the general handler.
 */
export class PlainAcks implements Waiter {
  readonly headers = clientHeaders;
  readonly #room: Room;
  readonly #renewals: Renewals;
  readonly #request = new AckScanner();
  readonly #topicNames = new RecentNames();
  readonly #groupNames = new RecentNames();
  readonly #reply = new AckReply(ok);
  readonly #parked = new ParkedCalls();
  /** By row: the reply in case that all goes well, its length, and which of its entries were refused. */
  readonly #replies: Buffer[] = [];
  readonly #lengths: number[] = [];
  readonly #refusals: Refusals[] = [];

  constructor(room: Room, renewals: Renewals) {
    this.#room = room;
    this.#renewals = renewals;
  }

  /** False: nothing has happened. */
  handle(bytes: Uint8Array, start: number, length: number, call: FastCall): boolean {
    const clientId = call.header(0) ?? "";
    if (length > requestBytesMax || clientIdProblem(clientId) !== undefined) return false;
    const row = this.#parked.take();
    const refusals = this.#decide(row, bytes, start, start + length);
    if (refusals === undefined) {
      this.#request.close();
      this.#parked.give(row);
      return false;
    }
    this.#parked.fill(row, call.ticket, call.answers, call.startedMs);
    this.#refusals[row] = refusals;
    this.#lengths[row] = this.#reply.write(this.#roomFor(row), 0, this.#request);
    this.#request.close();
    this.#room.sessions.seen(clientId, languageOf(call.header(1)), call.startedMs);
    return true;
  }

  settled(row: number, error: SaturnError | undefined, nowMs: number): void {
    const parked = this.#parked;
    const refusals = this.#refusals[row] ?? noRefusals;
    const bytes = this.#replies[row] ?? nothing;
    const length = this.#lengths[row] ?? 0;
    const tookMs = nowMs - parked.startedMs(row);
    if (error === undefined && refusals === noRefusals) {
      parked.answers(row).answer(parked.ticket(row), bytes, 0, length);
      this.#room.observe(rpc, okCode, tookMs);
    } else this.#refuse(row, v2.AckMessageResponse.decode(bytes, 0, length).entries, error, tookMs);
    this.#refusals[row] = noRefusals;
    if (bytes.length > keptBytes) this.#replies[row] = nothing;
    parked.give(row);
  }

  /** Answers that some entries are not finished; with `error`, that none is known to be. */
  #refuse(
    row: number,
    entries: readonly v2.AckMessageResultEntry[],
    error: SaturnError | undefined,
    tookMs: number,
  ): void {
    const refusals = this.#refusals[row] ?? noRefusals;
    const outcomes = entries.map((_, at) => error ?? refusals[at]);
    const reply = acksReply(entries, outcomes, this.#room.log);
    const bytes = v2.AckMessageResponse.encode(reply);
    this.#parked.answers(row).answer(this.#parked.ticket(row), bytes, 0, bytes.length);
    this.#room.observe(rpc, reply.status.code, tookMs);
  }

  /** Has the handles decided; tells which were refused. `undefined`: nothing has happened. */
  #decide(row: number, bytes: Uint8Array, start: number, end: number): Refusals | undefined {
    const request = this.#request;
    try {
      if (!request.open(bytes, start, end) || request.count === 0) return undefined;
    } catch {
      // The general handler finds it again, and says what it is.
      return undefined;
    }
    const { messaging } = this.#room;
    const { topicName, groupName } = request;
    const topic = messaging.knownTopic(this.#topicNames.text(request.bytes, topicName.start, topicName.length));
    const group = messaging.knownGroup(this.#groupNames.text(request.bytes, groupName.start, groupName.length));
    if (topic === undefined || group === undefined || this.#isRenewed()) return undefined;
    return messaging.ackNow(topic, group, request, this, row);
  }

  /** Whether a handle stands for another one by now. Costs nothing while no lease is renewed here. */
  #isRenewed(): boolean {
    if (this.#renewals.count === 0) return false;
    const { bytes, count, handles } = this.#request;
    for (let at = 0; at < count; at += 1) {
      const start = handles.start(at);
      if (this.#renewals.has(bytes.toString("latin1", start, start + handles.length(at)))) return true;
    }
    return false;
  }

  /** A row's room for the reply to the request at hand. */
  #roomFor(row: number): Buffer {
    const size = this.#reply.bytesMax(this.#request);
    const kept = this.#replies[row];
    if (kept !== undefined && kept.length >= size) return kept;
    const made = Buffer.allocUnsafeSlow(Math.max(512, 2 ** Math.ceil(Math.log2(size))));
    this.#replies[row] = made;
    return made;
  }
}
