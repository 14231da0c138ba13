import { defined } from "@saturnmq/kit";
import { type Field, fieldOverheadBytes } from "./field.ts";

/** More fields than this are too many, whatever their size. */
const rowsMax = 128;

/**
 * The fields of one header block, in order: rows of arrays that are used again for the next block. A row is a field of a table, or a literal
 * whose value lies in `scratch` and becomes a text only for whom asks.
 */
export class FieldList {
  /** Rows. */
  count = 0;
  /** Size of all fields as RFC 9113 6.5.2 counts it, also of those that found no room. */
  sizeBytes = 0;
  /** The list grew over its limits; its rows mean nothing then. */
  full = false;
  readonly scratch: Buffer;
  scratchUsed = 0;
  readonly limitBytes: number;
  readonly kinds = new Uint8Array(rowsMax);
  readonly #names = new Array<string>(rowsMax).fill("");
  readonly #values = new Array<string | undefined>(rowsMax).fill(undefined);
  readonly #fields = new Array<Field | undefined>(rowsMax).fill(undefined);
  readonly #starts = new Int32Array(rowsMax);
  readonly #ends = new Int32Array(rowsMax);

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
    this.scratch = Buffer.allocUnsafeSlow(limitBytes);
  }

  clear(): void {
    this.count = 0;
    this.sizeBytes = 0;
    this.full = false;
    this.scratchUsed = 0;
  }

  addField(field: Field): void {
    if (!this.#fits(field.sizeBytes)) return;
    const row = this.count++;
    this.kinds[row] = field.kind;
    this.#fields[row] = field;
  }

  /** A literal whose value is `scratch[start, end)`. */
  addLiteral(name: string, kind: number, start: number, end: number): void {
    if (!this.#fits(name.length + end - start + fieldOverheadBytes)) return;
    const row = this.count++;
    this.kinds[row] = kind;
    this.#fields[row] = undefined;
    this.#names[row] = name;
    this.#values[row] = undefined;
    this.#starts[row] = start;
    this.#ends[row] = end;
  }

  name(row: number): string {
    return this.#fields[row]?.name ?? defined(this.#names[row], "row");
  }

  value(row: number): string {
    const field = this.#fields[row];
    if (field !== undefined) return field.value;
    const known = this.#values[row];
    if (known !== undefined) return known;
    const text = this.scratch.toString("latin1", this.#starts[row], this.#ends[row]);
    this.#values[row] = text;
    return text;
  }

  /** The value of the first field of this name. */
  find(name: string): string | undefined {
    for (let row = 0; row < this.count; row += 1) if (this.name(row) === name) return this.value(row);
    return undefined;
  }

  #fits(sizeBytes: number): boolean {
    this.sizeBytes += sizeBytes;
    if (this.sizeBytes > this.limitBytes || this.count === rowsMax) this.full = true;
    return !this.full;
  }
}
