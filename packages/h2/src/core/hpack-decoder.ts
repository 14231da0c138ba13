import { DynamicTable } from "./dynamic-table.ts";
import { badValue, type Field, kindOfName, valueIsGood } from "./field.ts";
import type { FieldList } from "./field-list.ts";
import { decodeHuffman, huffmanTooLong } from "./huffman.ts";
import { headerTableBytesAtStart } from "./protocol.ts";
import { SharedFields } from "./shared-fields.ts";
import { staticCount, staticTable } from "./static-table.ts";

/**
 * `broken`: RFC 7541 forbids it, and the connection's table is lost with it. `bomb`: far beyond the announced list size, so not worth the work of
 * going on. Either ends the connection.
 */
export type BlockOutcome = "ok" | "broken" | "bomb";

/** A list so many times over its limit ends the connection instead of the request. */
const bombFactor = 4;
/** Of all decoders. */
const sharedFields = new SharedFields();
/** Integers beyond it name no index and no length that we would accept. */
const integerMax = 2 ** 24;

/** Decodes the header blocks of one connection (RFC 7541), which share a table and so come in order. */
export class HpackDecoder {
  readonly table = new DynamicTable(headerTableBytesAtStart);
  #bytes: Uint8Array = nothing;
  #at = 0;
  #end = 0;
  #outcome: BlockOutcome = "ok";
  /** Range of the last string literal in the list's scratch. */
  #textStart = 0;
  #textEnd = 0;

  /** Decodes `bytes[start, end)`, a whole block, into `list`. A list that is `full` left the table right, and no rows to rely on. */
  decode(bytes: Uint8Array, start: number, end: number, list: FieldList): BlockOutcome {
    list.clear();
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#outcome = "ok";
    while (this.#at < end && this.#outcome === "ok") {
      const first = bytes[this.#at] ?? 0;
      if (first >= 0x80) this.#indexed(list);
      else if (first >= 0x40) this.#literal(list, 6, true);
      else if (first >= 0x20) this.#sizeUpdate(list);
      else this.#literal(list, 4, false);
      if (list.sizeBytes > list.limitBytes * bombFactor) this.#outcome = "bomb";
    }
    this.#bytes = nothing;
    return this.#outcome;
  }

  #indexed(list: FieldList): void {
    const field = this.#field(this.#integer(7));
    if (field === undefined) this.#outcome = "broken";
    else list.addField(field);
  }

  #literal(list: FieldList, prefixBits: number, insert: boolean): void {
    const index = this.#integer(prefixBits);
    const named = index > 0 ? this.#field(index) : undefined;
    if (index > 0 && named === undefined) this.#outcome = "broken";
    const name = named?.name ?? this.#nameText(list);
    if (this.#outcome !== "ok" || !this.#text(list)) return;
    let kind = named === undefined ? kindOfName(name) : named.kind & ~badValue;
    if (!valueIsGood(list.scratch, this.#textStart, this.#textEnd)) kind |= badValue;
    if (!insert) {
      list.addLiteral(name, kind, this.#textStart, this.#textEnd);
      return;
    }
    const field = sharedFields.field(name, list.scratch.toString("latin1", this.#textStart, this.#textEnd), kind);
    list.scratchUsed = this.#textStart;
    this.table.insert(field);
    list.addField(field);
  }

  /** RFC 7541 4.2: at the beginning of a block only. */
  #sizeUpdate(list: FieldList): void {
    if (list.sizeBytes > 0 || !this.table.resize(this.#integer(5))) this.#outcome = "broken";
  }

  #field(index: number): Field | undefined {
    return index <= staticCount ? staticTable[index] : this.table.at(index - staticCount - 1);
  }

  #nameText(list: FieldList): string {
    if (!this.#text(list)) return "";
    list.scratchUsed = this.#textStart;
    return list.scratch.toString("latin1", this.#textStart, this.#textEnd);
  }

  /** Reads a string literal (5.2) into the list's scratch. */
  #text(list: FieldList): boolean {
    const huffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    if (this.#outcome !== "ok" || start + length > this.#end) return this.#fail("broken");
    this.#at = start + length;
    // Rows of a full list are not read any more, so their values make room.
    if (list.full) list.scratchUsed = 0;
    this.#textStart = list.scratchUsed;
    const textEnd = huffman ? this.#huffman(list, start) : this.#raw(list, start);
    if (textEnd === huffmanTooLong) return this.#fail("bomb");
    if (textEnd < 0) return this.#fail("broken");
    this.#textEnd = textEnd;
    list.scratchUsed = textEnd;
    return true;
  }

  #huffman(list: FieldList, start: number): number {
    const { scratch } = list;
    const end = decodeHuffman(this.#bytes, start, this.#at, scratch, this.#textStart, scratch.length);
    if (end !== huffmanTooLong || this.#textStart === 0) return end;
    this.#overflow(list);
    return decodeHuffman(this.#bytes, start, this.#at, scratch, 0, scratch.length);
  }

  #raw(list: FieldList, start: number): number {
    const { scratch } = list;
    const length = this.#at - start;
    if (this.#textStart + length > scratch.length) this.#overflow(list);
    if (length > scratch.length) return huffmanTooLong;
    const to = this.#textStart;
    for (let n = 0; n < length; n += 1) scratch[to + n] = this.#bytes[start + n] ?? 0;
    return to + length;
  }

  /** The scratch is as large as the list's limit: what overflows it is over the limit too. */
  #overflow(list: FieldList): void {
    list.full = true;
    list.scratchUsed = 0;
    this.#textStart = 0;
  }

  #fail(outcome: BlockOutcome): false {
    this.#outcome = outcome;
    return false;
  }

  /** An integer with a prefix (5.1). Sets the outcome to broken when it is cut off or out of all bounds. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    if (this.#at >= this.#end) this.#outcome = "broken";
    let value = (this.#bytes[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#at >= this.#end) break;
      const octet = this.#bytes[this.#at++] ?? 0;
      value += (octet & 127) * 2 ** shift;
      if (octet < 128 && value <= integerMax) return value;
      if (octet < 128) break;
    }
    this.#outcome = "broken";
    return 0;
  }
}

const nothing = new Uint8Array();
