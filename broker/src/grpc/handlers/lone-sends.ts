import { type SaturnError, topicNameProblem } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import {
  normalizeMessage,
  SendMessageScanner,
  SendReply,
  type StoredLayout,
  storedSize,
  type TopicInfo,
  v2,
} from "@saturnmq/wire";
import type { OutgoingMessage, Waiter } from "../../messaging.ts";
import type { Answers, FastCall } from "../transport/service.ts";
import { messageTypeNumber } from "./message-types.ts";
import { clientHeaders, clientIdProblem } from "./names.ts";
import { ParkedSends } from "./parked-sends.ts";
import type { Room } from "./room.ts";
import { ok, okCode, statusOf } from "./status.ts";
import { validateMessage } from "./validate-message.ts";

const rpc = "SendMessage";
/** A longer message id, which no official client makes, goes the general way. */
const idBytesMax = 64;
const scratchBytesAtStart = 65_536;

/**
 * SendMessage of one plain message, without an object, promise or closure a call. Takes what is in order and can be staged at once; whatever else
 * there is, it leaves untouched to the general handler, so every refusal is made in one place.
 */
export class LoneSends implements Waiter {
  readonly headers = clientHeaders;
  readonly #room: Room;
  readonly #scanner = new SendMessageScanner();
  readonly #layout: StoredLayout = { length: 0, bodyStart: 0, bodyLength: 0 };
  readonly #reply = new SendReply(ok);
  readonly #replyBytes = Buffer.alloc(this.#reply.bytesMax(idBytesMax));
  readonly #parked = new ParkedSends(idBytesMax);
  /** The message at hand in its stored form, copied when it is staged. */
  #scratch = Buffer.alloc(scratchBytesAtStart);
  readonly #message: { -readonly [Key in keyof OutgoingMessage]: OutgoingMessage[Key] };

  constructor(room: Room) {
    this.#room = room;
    const body = { bodyStart: 0, bodyLength: 0, bodyCrc: 0 };
    this.#message = {
      ...{ bytes: this.#scratch, start: 0, length: 0, ...body },
      ...{ tag: undefined, messageId: "", messageGroup: undefined },
    };
  }

  /** False: nothing has happened. */
  handle(bytes: Uint8Array, start: number, length: number, call: FastCall): boolean {
    const clientId = call.header(0) ?? "";
    if (clientIdProblem(clientId) !== undefined) return false;
    const row = this.#parked.take();
    const topic = this.#prepare(row, bytes, start, start + length);
    const outcome = topic && this.#room.messaging.sendNow(topic, this.#message, this, row);
    if (outcome === undefined) {
      this.#parked.give(row);
      return false;
    }
    this.#parked.fill(row, call.ticket, call.answers, outcome.offset, this.#room.clock.monoMs());
    this.#room.sessions.seen(clientId, (call.header(1) ?? "").toUpperCase());
    return true;
  }

  settled(row: number, error: SaturnError | undefined): void {
    const parked = this.#parked;
    const tookMs = this.#room.clock.monoMs() - parked.startedMs(row);
    const answers = parked.answers(row);
    const ticket = parked.ticket(row);
    if (error === undefined) {
      const { ids } = parked;
      const end = this.#reply.write(
        this.#replyBytes,
        0,
        ids,
        parked.idStart(row),
        parked.idBytes(row),
        parked.offset(row),
      );
      answers.answer(ticket, this.#replyBytes, 0, end);
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

  /** Checks the request and brings its one message to the stored form. `undefined`: it is not what can be served here, or not in order. */
  #prepare(row: number, bytes: Uint8Array, start: number, end: number): TopicInfo | undefined {
    const scanner = this.#scanner;
    try {
      scanner.open(bytes, start, end);
      const topic = scanner.next() ? this.#checked(scanner) : undefined;
      if (topic === undefined) return undefined;
      this.#store(scanner);
      this.#parked.setId(row, scanner.bytes, scanner.messageId.start, scanner.messageId.length);
      // What comes behind has to be in order too, and no second message.
      return scanner.next() ? undefined : topic;
    } catch {
      // The general handler finds it again, and says what it is.
      return undefined;
    } finally {
      scanner.close();
    }
  }

  #checked(scanner: SendMessageScanner): TopicInfo | undefined {
    const name = scanner.text(scanner.topicName);
    const topic = this.#room.messaging.knownTopic(name);
    if (topic === undefined || topicNameProblem(name) !== undefined) return undefined;
    if (topic.type !== "NORMAL" || scanner.messageId.length > idBytesMax) return undefined;
    return validateMessage(scanner, this.#room.limits, this.#room.clock.wallMs()) === "NORMAL" ? topic : undefined;
  }

  #store(scanner: SendMessageScanner): void {
    scanner.messageType = messageTypeNumber("NORMAL");
    const size = storedSize(scanner);
    if (size > this.#scratch.length) this.#scratch = Buffer.alloc(2 ** Math.ceil(Math.log2(size)));
    const scratch = this.#scratch;
    const layout = this.#layout;
    normalizeMessage(scanner, scratch, 0, layout);
    const message = this.#message;
    message.bytes = scratch;
    message.length = layout.length;
    message.bodyStart = layout.bodyStart;
    message.bodyLength = layout.bodyLength;
    message.bodyCrc = crc32(scratch, layout.bodyStart, layout.bodyLength);
    message.tag = scanner.tag.length === 0 ? undefined : scanner.text(scanner.tag);
  }
}
