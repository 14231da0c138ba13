import { errorCode, flag, frameType } from "./protocol.ts";

/** Why a connection cannot go on. The reason travels in GOAWAY. */
export type Problem = { readonly code: number; readonly reason: string };

const protocol = (reason: string): Problem => ({ code: errorCode.protocol, reason });
const frameSize = (reason: string): Problem => ({ code: errorCode.frameSize, reason });

const problems = {
  dataWithoutStream: protocol("DATA without a stream"),
  padding: protocol("the padding is longer than the frame"),
  headersStream: protocol("HEADERS on a stream that no client can open"),
  headersLength: frameSize("HEADERS too short for its flags"),
  priorityStream: protocol("PRIORITY without a stream"),
  resetStream: protocol("RST_STREAM without a stream"),
  resetLength: frameSize("a RST_STREAM of the wrong length"),
  settingsStream: protocol("SETTINGS on a stream"),
  settingsLength: frameSize("a SETTINGS of the wrong length"),
  push: protocol("a client pushes nothing"),
  pingStream: protocol("PING on a stream"),
  pingLength: frameSize("a PING of the wrong length"),
  goAwayStream: protocol("GOAWAY on a stream"),
  goAwayLength: frameSize("a GOAWAY of the wrong length"),
  windowLength: frameSize("a WINDOW_UPDATE of the wrong length"),
} as const;

/**
 * What is wrong with a frame by itself, whatever the connection's state: its stream, its length, its padding (RFC 9113, section 6). Only what ends
 * the connection; the payload is `bytes[start, end)`.
 */
export function frameProblem(
  type: number,
  flags: number,
  id: number,
  bytes: Buffer,
  start: number,
  end: number,
): Problem | undefined {
  const length = end - start;
  switch (type) {
    case frameType.data:
      if (id === 0) return problems.dataWithoutStream;
      if (!(flags & flag.padded)) return undefined;
      return length === 0 || (bytes[start] ?? 0) >= length ? problems.padding : undefined;
    case frameType.headers:
      return headersProblem(flags, id, bytes, start, length);
    case frameType.priority:
      return id === 0 ? problems.priorityStream : undefined;
    case frameType.reset:
      if (length !== 4) return problems.resetLength;
      return id === 0 ? problems.resetStream : undefined;
    case frameType.settings:
      if (id !== 0) return problems.settingsStream;
      return (flags & flag.ack ? length !== 0 : length % 6 !== 0) ? problems.settingsLength : undefined;
    case frameType.pushPromise:
      return problems.push;
    case frameType.ping:
      if (id !== 0) return problems.pingStream;
      return length === 8 ? undefined : problems.pingLength;
    case frameType.goAway:
      if (id !== 0) return problems.goAwayStream;
      return length < 8 ? problems.goAwayLength : undefined;
    case frameType.windowUpdate:
      return length === 4 ? undefined : problems.windowLength;
    default:
      return undefined;
  }
}

function headersProblem(flags: number, id: number, bytes: Buffer, start: number, length: number): Problem | undefined {
  if (id % 2 === 0) return problems.headersStream;
  const fixed = headersPrefixBytes(flags);
  if (fixed > length) return problems.headersLength;
  const padding = flags & flag.padded ? (bytes[start] ?? 0) : 0;
  return padding > length - fixed ? problems.padding : undefined;
}

/** Bytes of a HEADERS frame in front of its header block: the length of its padding, and its priority. */
export function headersPrefixBytes(flags: number): number {
  return (flags & flag.padded ? 1 : 0) + (flags & flag.priority ? 5 : 0);
}
