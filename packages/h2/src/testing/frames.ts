import { putFrameHead } from "../core/output.ts";
import { flag, frameHeadBytes, frameType, preface } from "../core/protocol.ts";

/** A frame as it was read. */
export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
};

/** One frame, of whatever content: also of what no honest peer sends. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array | readonly number[] = [],
): Buffer {
  const bytes = Buffer.alloc(frameHeadBytes + payload.length);
  putFrameHead(bytes, 0, payload.length, type, flags, stream);
  bytes.set(payload, frameHeadBytes);
  return bytes;
}

/** What a client says first: preface and SETTINGS of (identifier, value) pairs. */
export function hello(pairs: readonly (readonly [id: number, value: number])[] = []): Buffer {
  return Buffer.concat([preface, settings(pairs)]);
}

export function settings(pairs: readonly (readonly [id: number, value: number])[] = []): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [n, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * n);
    payload.writeUInt32BE(value, 6 * n + 2);
  }
  return frame(frameType.settings, 0, 0, payload);
}

export const settingsAck = frame(frameType.settings, flag.ack, 0);

export function windowUpdate(stream: number, bytes: number): Buffer {
  return frame(frameType.windowUpdate, 0, stream, uint32(bytes));
}

export function resetStream(stream: number, code: number): Buffer {
  return frame(frameType.reset, 0, stream, uint32(code));
}

export function ping(text = "12345678"): Buffer {
  return frame(frameType.ping, 0, 0, Buffer.from(text));
}

/** DATA; `ends` with END_STREAM. */
export function data(stream: number, payload: Uint8Array, ends = false): Buffer {
  return frame(frameType.data, ends ? flag.endStream : 0, stream, payload);
}

/** A whole HEADERS frame of literals that enter no table. */
export function headers(stream: number, fields: readonly (readonly [string, string])[], ends = false): Buffer {
  const flags = flag.endHeaders | (ends ? flag.endStream : 0);
  return frame(frameType.headers, flags, stream, literals(fields));
}

/** The fields of a gRPC request. */
export function grpcRequest(path: string, more: readonly (readonly [string, string])[] = []): [string, string][] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "test"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ...more.map(([name, value]): [string, string] => [name, value]),
  ];
}

/** A header block of literals without indexing, names and values as they are. */
export function literals(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    fields.map(([name, value]) => Buffer.concat([Buffer.from([0]), literalText(name), literalText(value)])),
  );
}

function literalText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([hpackInteger(bytes.length, 7, 0), bytes]);
}

/** An HPACK integer (RFC 7541, 5.1). */
export function hpackInteger(value: number, prefixBits: number, pattern: number): Buffer {
  const mask = 2 ** prefixBits - 1;
  if (value < mask) return Buffer.from([pattern | value]);
  const octets = [pattern | mask];
  let left = value - mask;
  for (; left > 127; left = Math.floor(left / 128)) octets.push((left % 128) | 128);
  return Buffer.from([...octets, left]);
}

/** A gRPC message with its prefix. */
export function grpcMessage(bytes: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The whole frames in `bytes`, and what is left behind them. */
export function parseFrames(bytes: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (at + frameHeadBytes <= bytes.length) {
    const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + frameHeadBytes, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
