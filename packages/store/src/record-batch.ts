import { assert } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { Payload } from "raft-ts";
import { type RecordSink, recordAt, recordFlags, recordHeadBytes } from "./record.ts";
import { recordCheck } from "./record-check.ts";

/**
 * Builds one entry's payload in a buffer that is kept and grows by doubling: add records, take the `payload`, `reset` once the entry is
 * applied. No object per record.
 */
export class RecordBatch implements RecordSink {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  #count = 0;
  /** Start of the last record. */
  #last = 0;

  /** @param initialBytes size of the first buffer */
  constructor(initialBytes = 65_536) {
    this.#bytes = new Uint8Array(initialBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get view(): DataView {
    return this.#view;
  }

  get length(): number {
    return this.#length;
  }

  get count(): number {
    return this.#count;
  }

  add(kind: number, version: number, payloadLength: number): number {
    assert(kind > 0 && kind < 65_536, "a record kind is 1 to 65,535");
    const at = this.#length;
    const length = recordHeadBytes + payloadLength;
    if (at + length > this.#bytes.length) this.#grow(at + length);
    const view = this.#view;
    view.setUint32(at + recordAt.length, length, true);
    view.setUint16(at + recordAt.kind, kind, true);
    view.setUint8(at + recordAt.version, version);
    view.setUint8(at + recordAt.flags, 0);
    view.setUint32(at + recordAt.bodyStart, length, true);
    for (let field: number = recordAt.bodyLength; field < recordHeadBytes; field += 4)
      view.setUint32(at + field, 0, true);
    this.#last = at;
    this.#length = at + length;
    this.#count += 1;
    return at + recordHeadBytes;
  }

  setBody(startInPayload: number, length: number, crc: number): void {
    const view = this.#view;
    const at = this.#last;
    const start = recordHeadBytes + startInPayload;
    assert(start >= recordHeadBytes && at + start + length <= this.#length, "a body lies inside its record");
    view.setUint32(at + recordAt.bodyStart, start, true);
    view.setUint32(at + recordAt.bodyLength, length, true);
    view.setUint32(at + recordAt.bodyCrc, crc, true);
  }

  setMessage(stream: number, partition: number, offset: number, tagHash: number): void {
    const view = this.#view;
    const at = this.#last;
    view.setUint8(at + recordAt.flags, recordFlags.message);
    view.setUint32(at + recordAt.stream, stream, true);
    view.setUint32(at + recordAt.partition, partition, true);
    view.setUint32(at + recordAt.tagHash, tagHash, true);
    view.setUint32(at + recordAt.offset, offset, true);
    view.setUint32(at + recordAt.offset + 4, Math.floor(offset / 4_294_967_296), true);
  }

  /** Seals what was added: fills in the checks and gives the payload. It is a view: valid until the next `add` or `reset`. */
  payload(): Payload {
    const bytes = this.#bytes;
    const view = this.#view;
    let crc = 0;
    for (let at = 0; at < this.#length; at += view.getUint32(at + recordAt.length, true)) {
      view.setUint32(at + recordAt.check, recordCheck(bytes, view, at), true);
      crc = crc32(bytes, at + recordAt.check, 4, crc);
    }
    return { bytes, start: 0, length: this.#length, crc };
  }

  /** Forgets the records; the buffer stays. */
  reset(): void {
    this.#length = 0;
    this.#count = 0;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
