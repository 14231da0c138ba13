/**
 * One replicated fact, the unit inside an entry's payload. Little-endian.
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
 * 40 …   payload, the body somewhere inside
 * ```
 */
export const recordHeadBytes = 40;
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
} as const;
