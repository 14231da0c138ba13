import { assert } from "@saturnmq/kit";
import { fieldOverheadBytes } from "./field.ts";
import { headerTableBytesAtStart } from "./protocol.ts";
import { staticCount, staticTable } from "./static-table.ts";

/** A field to send. The name is lower case; each character is one octet. */
export type HeaderField = readonly [name: string, value: string];

/** The head of every gRPC answer, and the end of every one that went well. */
export const standardHead: readonly HeaderField[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
export const standardTrailers: readonly HeaderField[] = [["grpc-status", "0"]];

/** Fields that each answer repeats; they alone enter the peer's table, so it never evicts one and an index stays what it was. */
const repeated: readonly HeaderField[] = [...standardHead.slice(1), ...standardTrailers];
const repeatedBytes = repeated.reduce((sum, [name, value]) => sum + name.length + value.length + fieldOverheadBytes, 0);

const staticRows: ReadonlyMap<string, number> = rowsOf((name, value) => `${name}\0${value}`);
const staticNames: ReadonlyMap<string, number> = rowsOf((name) => name);

function rowsOf(key: (name: string, value: string) => string): ReadonlyMap<string, number> {
  const rows = new Map<string, number>();
  for (const [index, field] of staticTable.entries()) {
    if (field === undefined) continue;
    const text = key(field.name, field.value);
    if (!rows.has(text)) rows.set(text, index);
  }
  return rows;
}

/** Where all encoders write the block at hand: each is copied away before the next begins. */
let scratch = Buffer.allocUnsafeSlow(1_024);
let used = 0;

/** Settled blocks by their bytes. There are a few, as peers' tables have one of two sizes, and thousands of connections that use them. */
const settledBlocks = new Map<string, Buffer>();

function shared(block: Uint8Array): Buffer {
  const copy = Buffer.from(block);
  const key = copy.toString("latin1");
  const known = settledBlocks.get(key);
  if (known === undefined) settledBlocks.set(key, copy);
  return known ?? copy;
}

/** Encodes the header blocks of one connection, in the order in which they are sent. Texts go out as they are, without Huffman code. */
export class HpackEncoder {
  #tableBytes = headerTableBytesAtStart;
  #sizeUpdateDue = false;
  /** Indexes of `repeated` in the order in which they entered the peer's table. */
  #inserted: number[] = [];
  #head: Buffer | undefined;
  #trailers: Buffer | undefined;

  /** The peer announced another table size: all that was in its table is given up. */
  setTableBytes(bytes: number): void {
    const usable = Math.min(bytes, headerTableBytesAtStart);
    if (usable === this.#tableBytes) return;
    this.#tableBytes = usable;
    this.#sizeUpdateDue = true;
    this.#inserted = [];
    this.#head = undefined;
    this.#trailers = undefined;
  }

  /** The block of `standardHead`. Valid, as each block is, only if it is the next to be sent. */
  head(): Buffer {
    if (this.#head !== undefined) return this.#head;
    const block = Buffer.from(this.encode(standardHead));
    if (this.#settled) this.#head = shared(this.encode(standardHead));
    return block;
  }

  /** The block of `standardTrailers`. */
  trailers(): Buffer {
    if (this.#trailers !== undefined) return this.#trailers;
    const block = Buffer.from(this.encode(standardTrailers));
    if (this.#settled) this.#trailers = shared(this.encode(standardTrailers));
    return block;
  }

  /** A block of any fields; the bytes are good until the next call of any encoder. */
  encode(fields: readonly HeaderField[]): Uint8Array {
    used = 0;
    if (this.#sizeUpdateDue) {
      // RFC 7541 4.2: the smallest size since the last block, then the one in use. Zero empties the table.
      this.#sizeUpdateDue = false;
      this.#integer(0, 5, 0x20);
      this.#integer(this.#indexes ? this.#tableBytes : 0, 5, 0x20);
    }
    for (const [name, value] of fields) this.#field(name, value);
    return scratch.subarray(0, used);
  }

  get #indexes(): boolean {
    return this.#tableBytes >= repeatedBytes;
  }

  /** Whether the next block of a standard list has the same bytes as the one after it. */
  get #settled(): boolean {
    return !this.#sizeUpdateDue && (!this.#indexes || this.#inserted.length === repeated.length);
  }

  #field(name: string, value: string): void {
    const known = staticRows.get(`${name}\0${value}`);
    if (known !== undefined) {
      this.#integer(known, 7, 0x80);
      return;
    }
    const row = this.#indexes ? repeated.findIndex((field) => field[0] === name && field[1] === value) : -1;
    const place = this.#inserted.indexOf(row);
    if (row >= 0 && place >= 0) {
      this.#integer(staticCount + this.#inserted.length - place, 7, 0x80);
      return;
    }
    if (row >= 0) this.#inserted.push(row);
    this.#literal(name, value, row >= 0);
  }

  #literal(name: string, value: string, insert: boolean): void {
    this.#integer(staticNames.get(name) ?? 0, insert ? 6 : 4, insert ? 0x40 : 0);
    if (!staticNames.has(name)) this.#text(name);
    this.#text(value);
  }

  #text(text: string): void {
    this.#integer(text.length, 7, 0);
    this.#room(text.length);
    used += scratch.write(text, used, "latin1");
  }

  #integer(value: number, prefixBits: number, pattern: number): void {
    this.#room(8);
    const mask = (1 << prefixBits) - 1;
    if (value < mask) {
      scratch[used++] = pattern | value;
      return;
    }
    scratch[used++] = pattern | mask;
    let left = value - mask;
    for (; left > 127; left = Math.floor(left / 128)) scratch[used++] = 128 | (left % 128);
    scratch[used++] = left;
  }

  #room(bytes: number): void {
    if (used + bytes <= scratch.length) return;
    assert(used + bytes < 2 ** 24, "a header block out of all bounds");
    const larger = Buffer.allocUnsafeSlow(2 * (used + bytes));
    scratch.copy(larger, 0, 0, used);
    scratch = larger;
  }
}
