import { assert, SaturnError } from "@saturnmq/kit";
import { flag, frame, frameHeadBytes, frameType, grpcMessage } from "./frames.ts";
import { encodeHeaders, tableBytes } from "./hpack.ts";
import { requestHeaders } from "./identity.ts";
import { encodeSend } from "./messages.ts";
import type { Address } from "./rpc-client.ts";

/** Eight characters in the message id and at the start of the body that differ in every request: a hexadecimal counter. */
const counterPlace = "\u0001COUNTER";
const idPrefix = "01A2B3C4D5E6F708090A0B";
const hexDigits = Buffer.from("0123456789ABCDEF");
/** Of one DATA frame: what every HTTP/2 peer takes (RFC 9113, 6.5.2). */
const frameBytesMax = 16_384;
/** Requests in one write, as many as make a write worth its system call. */
const requestsPerWriteMax = 256;
const writeBytesMax = 512 * 1_024;

export type SendFields = Address & {
  readonly topic: string;
  /** At least 16. */
  readonly bodyBytes: number;
  /** Messages in one request, 1 to 32. */
  readonly batch: number;
};

/** HEADERS and DATA frames of one request: where stream ids (four bytes) and counters (eight digits) go. */
export type Request = {
  readonly bytes: Buffer;
  readonly streamPlaces: readonly number[];
  readonly counterPlaces: readonly number[];
};

/** A SendMessage call of one client, encoded once. */
export class SendTemplate {
  /** Fills the peer's header table, so it goes first on a connection. */
  readonly first: Request;
  readonly later: Request;
  /** Payload of the DATA frames: what counts against the windows. */
  readonly dataBytes: number;
  /** What the header fields take in the peer's table. */
  readonly tableBytes: number;
  readonly requestsPerWrite: number;

  /** @throws {SaturnError} BAD_REQUEST when body or batch are out of bounds */
  constructor({ host, port, topic, bodyBytes, batch }: SendFields, clientId: string, timeoutMs: number) {
    if (bodyBytes < 16) throw new SaturnError("BAD_REQUEST", `a body has at least 16 bytes, not ${bodyBytes}`);
    if (batch < 1 || batch > 32) throw new SaturnError("BAD_REQUEST", `a request has 1 to 32 messages, not ${batch}`);
    const body = Buffer.alloc(bodyBytes, "x");
    body.write(counterPlace, 0);
    const fields = { topic, body, tag: "TagA", keys: ["key-123456"], properties: { k1: "value-1" } };
    const messages = Array.from({ length: batch }, (_, n) => {
      return { ...fields, messageId: idPrefix + n.toString(16).padStart(4, "0") + counterPlace };
    });
    const data = grpcMessage(encodeSend(messages));
    const headers = requestHeaders("SendMessage", `${host}:${port}`, clientId, timeoutMs);
    const blocks = encodeHeaders(headers);
    this.dataBytes = data.length;
    this.tableBytes = tableBytes(headers);
    this.first = request(blocks.first, data);
    this.later = request(blocks.later, data);
    this.requestsPerWrite = Math.max(1, Math.min(requestsPerWriteMax, Math.floor(writeBytesMax / data.length)));
  }

  /** A buffer of `requestsPerWrite` requests, to be patched. */
  pool(): Buffer {
    const size = this.later.bytes.length;
    const buffer = Buffer.allocUnsafeSlow(size * this.requestsPerWrite);
    for (let n = 0; n < this.requestsPerWrite; n += 1) this.later.bytes.copy(buffer, n * size);
    return buffer;
  }
}

function request(block: Buffer, data: Buffer): Request {
  const parts = [frame(frameType.headers, flag.endHeaders, 0, block)];
  const streamPlaces = [5];
  const counterPlaces: number[] = [];
  const counters = occurrences(data, counterPlace);
  let length = parts[0]?.length ?? 0;
  for (let from = 0; from < data.length; ) {
    const to = frameEnd(from, data.length, counters);
    const part = frame(frameType.data, to === data.length ? flag.endStream : 0, 0, data.subarray(from, to));
    streamPlaces.push(length + 5);
    for (const at of counters) if (at >= from && at < to) counterPlaces.push(length + frameHeadBytes + at - from);
    parts.push(part);
    length += part.length;
    from = to;
  }
  return { bytes: Buffer.concat(parts), streamPlaces, counterPlaces };
}

/** Where the DATA frame that starts at `from` ends: no counter lies in two frames. */
function frameEnd(from: number, length: number, counters: readonly number[]): number {
  const end = Math.min(length, from + frameBytesMax);
  return counters.find((at) => at < end && at + counterPlace.length > end) ?? end;
}

function occurrences(data: Buffer, text: string): number[] {
  const found: number[] = [];
  for (let at = data.indexOf(text); at >= 0; at = data.indexOf(text, at + text.length)) found.push(at);
  assert(found.length > 0, "a request has a counter");
  return found;
}

/** Writes a counter's eight digits. */
export function writeCounter(buffer: Buffer, at: number, value: number): void {
  let rest = value >>> 0;
  for (let n = 7; n >= 0; n -= 1) {
    buffer[at + n] = hexDigits[rest & 15] ?? 0;
    rest >>>= 4;
  }
}

/** The counter at the start of a body; NaN when it is none of ours. */
export function readCounter(body: Buffer): number {
  const text = body.toString("latin1", 0, counterPlace.length);
  return /^[0-9A-F]{8}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;
}
