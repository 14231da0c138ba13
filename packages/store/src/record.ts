/**
 * One replicated fact, the unit inside an entry's payload. Little-endian. This file is pure: domains may import it as `@saturnmq/store/record`.
 *
 * ```
 *  0 u32 length      whole record with this head
 *  4 u16 kind        the domain's; 0 is never used
 *  6 u8  version     of the payload's layout, per kind
 *  7 u8  flags       1: a message: stream, partition, offset, tagHash are set and the queue index holds it
 *  8 u32 bodyStart   from the record's start; = length when there is no body
 * 12 u32 bodyLength
 * 16 u32 bodyCrc     CRC-32 (IEEE) of the body alone
 * 20 u32 stream      topic id
 * 24 u32 partition   queue
 * 28 u32 tagHash
 * 32 u64 offset      queue offset
 * 40 u32 check       CRC-32 of bytes [0, 40) and, after this field, of everything but the body
 * 44 …   payload, the body somewhere inside
 * ```
 *
 * With `check` and `bodyCrc` each record can be read alone and yet never wrong. The CRC of an entry's payload is taken over its records'
 * checks (4 bytes each, in order), so no byte is hashed twice.
 */
export const recordHeadBytes = 44;
export const recordFlags = { message: 1 } as const;
export const recordAt = {
  length: 0,
  kind: 4,
  version: 6,
  flags: 7,
  bodyStart: 8,
  bodyLength: 12,
  bodyCrc: 16,
  stream: 20,
  partition: 24,
  tagHash: 28,
  offset: 32,
  check: 40,
} as const;

/**
 * Where a domain writes the records of one entry. `RecordBatch` implements it; the domain sees only this.
 *
 * ```
 * const at = sink.add(kind.leased, 1, 24);
 * sink.view.setUint32(at, queue, true);
 * ```
 */
export interface RecordSink {
  /** The buffer that records are written into. Another one after `add` had to grow it: fetch it anew after each `add`. */
  readonly bytes: Uint8Array;
  /** Over all of `bytes`. */
  readonly view: DataView;
  /** Bytes written so far. */
  readonly length: number;
  /** Records written so far. */
  readonly count: number;
  /**
   * Adds a record of `payloadLength` bytes, whose content is whatever the buffer held: the caller fills all of it.
   *
   * @param kind 1 to 65,535
   * @param version 0 to 255
   * @returns where in `bytes` the payload starts
   */
  add(kind: number, version: number, payloadLength: number): number;
  /** Says where in the payload of the last added record its body lies, and the body's CRC-32. */
  setBody(startInPayload: number, length: number, crc: number): void;
  /** Makes the last added record a message of a queue. */
  setMessage(stream: number, partition: number, offset: number, tagHash: number): void;
}

/** Records back to back: an entry's payload, or a part of it. */
export type RecordRange = { readonly bytes: Uint8Array; readonly start: number; readonly length: number };

/**
 * Visits the records of a payload in order, by place.
 *
 * @param visit gets the record's start in `range.bytes` and its length there (without its body, when `bodiesLeftOut`)
 * @param bodiesLeftOut true for payloads from a summary (`StoredEntry.summary`)
 * @throws {RangeError} if the range does not consist of whole records
 */
export function walkRecords(
  range: RecordRange,
  visit: (at: number, length: number) => void,
  bodiesLeftOut = false,
): void {
  const { bytes, start } = range;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = start + range.length;
  for (let at = start; at < end; ) {
    const length = recordLength(view, at, end, bodiesLeftOut);
    if (length === 0)
      throw new RangeError(`no whole record at byte ${String(at - start)} of a payload of ${String(range.length)}`);
    visit(at, length);
    at += length;
  }
}

/** Length of the record at `at` as it lies there, or 0 if no whole record fits before `end` or its head contradicts itself. */
export function recordLength(view: DataView, at: number, end: number, bodyLeftOut = false): number {
  if (at + recordHeadBytes > end) return 0;
  const full = view.getUint32(at + recordAt.length, true);
  const bodyStart = view.getUint32(at + recordAt.bodyStart, true);
  const bodyLength = view.getUint32(at + recordAt.bodyLength, true);
  if (bodyStart < recordHeadBytes || bodyStart + bodyLength > full) return 0;
  const length = bodyLeftOut ? full - bodyLength : full;
  return at + length > end ? 0 : length;
}
