import { crc32 } from "@saturnmq/kit/node";
import { ProtocolError } from "./protocol-error.ts";

// A frame, after the greetings of a connection:
//
//   0  length u32     bytes of the payload
//   4  covered u32    so many of its first bytes are under `check`; the rest are payloads of entries, which bear a CRC of their own
//   8  version u8     of this layout
//   9  kind u8
//  10  zero u16
//  12  call u32       which call it belongs to; 0 for none
//  16  check u32      CRC-32 of the covered bytes
//  20  headCheck u32  CRC-32 of the 20 bytes before
//  24  payload

export const frameHeadBytes = 24;
const frameVersion = 1;
const headCheckAt = 20;

/** Kinds of frames and their codes. */
export const frameKinds = {
  /** A `PeerMessage`. Control only. */
  message: 1,
  /** Nothing, or on bulk what the sender's soft state should look like by now. A sign of life. */
  probe: 2,
  call: 16,
  answer: 17,
  failure: 18,
  /** The caller does not wait any more. */
  cancel: 19,
  /** A piece of soft state. */
  state: 32,
  /** The receiver's soft state does not fit the sender's: all of it once more. */
  stateWanted: 33,
} as const;

export type FrameKind = keyof typeof frameKinds;

const kindOf = new Map<number, FrameKind>(
  Object.entries(frameKinds).map(([kind, code]) => [code, kind as FrameKind] as const),
);

export type FrameHead = {
  readonly length: number;
  readonly covered: number;
  readonly kind: FrameKind;
  readonly call: number;
  readonly check: number;
};

/** Writes the head at `at`; the covered bytes must lie behind it already. */
export function writeFrameHead(
  target: Uint8Array,
  at: number,
  { kind, call, length, covered }: Omit<FrameHead, "check">,
): void {
  const view = new DataView(target.buffer, target.byteOffset + at, frameHeadBytes);
  view.setUint32(0, length, true);
  view.setUint32(4, covered, true);
  view.setUint8(8, frameVersion);
  view.setUint8(9, frameKinds[kind]);
  view.setUint16(10, 0, true);
  view.setUint32(12, call, true);
  view.setUint32(16, crc32(target, at + frameHeadBytes, covered), true);
  view.setUint32(headCheckAt, crc32(target, at, headCheckAt), true);
}

/**
 * Reads the head at `at`, before anything is done for its payload.
 *
 * @throws {ProtocolError} if it is none, or its payload is longer than `maxBytes`
 */
export function readFrameHead(bytes: Uint8Array, at: number, maxBytes: number): FrameHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, frameHeadBytes);
  if (view.getUint32(headCheckAt, true) !== crc32(bytes, at, headCheckAt))
    throw new ProtocolError("the check of a frame's head fails");
  const version = view.getUint8(8);
  if (version !== frameVersion) throw new ProtocolError(`frames of version ${version} are not known`);
  const code = view.getUint8(9);
  const kind = kindOf.get(code);
  if (kind === undefined) throw new ProtocolError(`frames of kind ${code} are not known`);
  const length = view.getUint32(0, true);
  const covered = view.getUint32(4, true);
  if (length > maxBytes) throw new ProtocolError(`a frame of ${length} bytes is longer than the ${maxBytes} allowed`);
  if (covered > length) throw new ProtocolError("a frame's check covers more than the frame");
  return { length, covered, kind, call: view.getUint32(12, true), check: view.getUint32(16, true) };
}
