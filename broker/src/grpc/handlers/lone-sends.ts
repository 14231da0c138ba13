import { type SaturnError, topicNameProblem } from "@saturnmq/kit";
import { type SendMessageScanner, SendReply, type TopicInfo, v2 } from "@saturnmq/wire";
import type { Waiter } from "../../messaging.ts";
import type { Answers, FastCall } from "../transport/service.ts";
import { clientHeaders, clientIdProblem, languageOf } from "./names.ts";
import { ParkedSends } from "./parked-sends.ts";
import { RecentNames } from "./recent-names.ts";
import type { Room } from "./room.ts";
import { ScannedMessage } from "./scanned-message.ts";
import { ok, okCode, statusOf } from "./status.ts";
import { validateMessage } from "./validate-message.ts";

const rpc = "SendMessage";
/** A longer message id, which no official client makes, goes the general way. */
const idBytesMax = 64;

/**
 * SendMessage of one plain message, without an object, promise or closure a call. Takes what is in order and can be staged at once; whatever else
 * there is, it leaves untouched to the general handler, so every refusal is made in one place.
 */
export class LoneSends implements Waiter {
  readonly headers = clientHeaders;
  readonly #room: Room;
  readonly #message = new ScannedMessage();
  readonly #topicNames = new RecentNames((name) => topicNameProblem(name) === undefined);
  readonly #reply = new SendReply(ok, idBytesMax);
  readonly #parked = new ParkedSends(idBytesMax);

  constructor(room: Room) {
    this.#room = room;
  }

  /** False: nothing has happened. */
  handle(bytes: Uint8Array, start: number, length: number, call: FastCall): boolean {
    const clientId = call.header(0) ?? "";
    if (clientIdProblem(clientId) !== undefined) return false;
    const row = this.#parked.take();
    const topic = this.#prepare(row, bytes, start, start + length);
    const outcome = topic && this.#room.messaging.sendNow(topic, this.#message, this, row);
    this.#message.scanner.close();
    if (outcome === undefined) {
      this.#parked.give(row);
      return false;
    }
    this.#parked.fill(row, call.ticket, call.answers, call.startedMs);
    this.#parked.setOffset(row, outcome.offset);
    this.#room.sessions.seen(clientId, languageOf(call.header(1)), call.startedMs);
    return true;
  }

  settled(row: number, error: SaturnError | undefined, nowMs: number): void {
    const parked = this.#parked;
    const tookMs = nowMs - parked.startedMs(row);
    const answers = parked.answers(row);
    const ticket = parked.ticket(row);
    if (error === undefined) {
      const reply = this.#reply;
      const length = reply.write(parked.ids, parked.idStart(row), parked.idBytes(row), parked.offset(row));
      answers.answer(ticket, reply.bytes, 0, length);
      this.#room.observe(rpc, okCode, tookMs);
    } else this.#refuse(answers, ticket, error, tookMs);
    parked.give(row);
  }

  #refuse(answers: Answers, ticket: number, error: SaturnError, tookMs: number): void {
    const status = statusOf(error, rpc, this.#room.log);
    const reply = v2.SendMessageResponse.encode({ status });
    answers.answer(ticket, reply, 0, reply.length);
    this.#room.observe(rpc, status.code, tookMs);
  }

  /** Checks the request and makes its one message ready to be written. `undefined`: it is not what can be served here, or not in order. */
  #prepare(row: number, bytes: Uint8Array, start: number, end: number): TopicInfo | undefined {
    const { scanner } = this.#message;
    try {
      scanner.open(bytes, start, end);
      // What comes behind the message, another one or what a newer client adds, is for the general handler.
      const topic = scanner.next() && scanner.isLast ? this.#checked(scanner) : undefined;
      if (topic === undefined) return undefined;
      this.#message.take();
      this.#parked.setId(row, scanner.bytes, scanner.messageId.start, scanner.messageId.length);
      return topic;
    } catch {
      // The general handler finds it again, and says what it is.
      return undefined;
    }
  }

  #checked(scanner: SendMessageScanner): TopicInfo | undefined {
    const { start, length } = scanner.topicName;
    const name = this.#topicNames.text(scanner.bytes, start, length);
    const topic = this.#room.messaging.knownTopic(name);
    if (topic === undefined || topic.type !== "NORMAL" || scanner.messageId.length > idBytesMax) return undefined;
    return validateMessage(scanner, this.#room.limits, this.#room.clock) === "NORMAL" ? topic : undefined;
  }
}
