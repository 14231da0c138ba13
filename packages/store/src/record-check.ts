import { viewOver } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { type RecordRange, recordAt, recordHeadBytes, recordLength } from "./record.ts";

/** The `check` that the record at `at` must carry: everything but the field itself and the body. */
export function recordCheck(bytes: Uint8Array, view: DataView, at: number, bodyLeftOut = false): number {
  const bodyStart = view.getUint32(at + recordAt.bodyStart, true);
  const bodyLength = view.getUint32(at + recordAt.bodyLength, true);
  const after = view.getUint32(at + recordAt.length, true) - bodyStart - bodyLength;
  const head = crc32(bytes, at, recordAt.check);
  const before = crc32(bytes, at + recordHeadBytes, bodyStart - recordHeadBytes, head);
  if (after === 0) return before;
  return crc32(bytes, at + bodyStart + (bodyLeftOut ? 0 : bodyLength), after, before);
}

/** True when the body of the record at `at` matches the CRC in its head. */
export function bodyMatches(bytes: Uint8Array, view: DataView, at: number): boolean {
  const length = view.getUint32(at + recordAt.bodyLength, true);
  if (length === 0) return true;
  const start = at + view.getUint32(at + recordAt.bodyStart, true);
  return crc32(bytes, start, length) === view.getUint32(at + recordAt.bodyCrc, true);
}

/** What is wrong with a payload: where, from `bytes[0]`, and in words. */
export type PayloadFault = { readonly at: number; readonly detail: string };

/**
 * Checks a payload as it lies in memory: whole records, each matching its check, together matching `crc`; the bodies too on demand.
 *
 * @returns the first fault, or `undefined` when all is as written
 */
export function payloadFault(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  length: number,
  crc: number,
  withBodies: boolean,
): PayloadFault | undefined {
  const end = start + length;
  let sum = 0;
  for (let at = start; at < end; ) {
    const size = recordLength(view, at, end);
    if (size === 0) return { at, detail: "no whole record" };
    if (recordCheck(bytes, view, at) !== view.getUint32(at + recordAt.check, true))
      return { at, detail: "a record does not match its check" };
    if (withBodies && !bodyMatches(bytes, view, at))
      return { at: at + view.getUint32(at + recordAt.bodyStart, true), detail: "a body does not match its CRC" };
    sum = crc32(bytes, at + recordAt.check, 4, sum);
    at += size;
  }
  return sum === crc ? undefined : { at: start, detail: "the records do not match the entry's CRC" };
}

/**
 * Records in a payload that is about to be stored.
 *
 * @throws {RangeError} if it does not consist of whole records: it could not be read back
 */
export function countRecords(range: RecordRange): number {
  const view = viewOver(range.bytes);
  const end = range.start + range.length;
  let count = 0;
  for (let at = range.start; at < end; count += 1) {
    const length = recordLength(view, at, end);
    if (length === 0) throw new RangeError("a payload must consist of whole records: build it with a RecordBatch");
    at += length;
  }
  return count;
}
