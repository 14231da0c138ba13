import { ParkedCalls, widened } from "./parked-calls.ts";

const rowsAtStart = 256;

/** Calls that wait for their one message to be stored, with what their answers tell. */
export class ParkedSends extends ParkedCalls {
  readonly #idBytesMax: number;
  #offsets = new Float64Array(rowsAtStart);
  #idBytes = new Uint8Array(rowsAtStart);
  /** Message ids, `idBytesMax` bytes a row. */
  ids: Uint8Array;

  /** @param idBytesMax of a message id, at most 255 */
  constructor(idBytesMax: number) {
    super();
    this.#idBytesMax = idBytesMax;
    this.ids = new Uint8Array(rowsAtStart * idBytesMax);
  }

  override take(): number {
    const row = super.take();
    if (row === this.#offsets.length) {
      this.#offsets = widened(this.#offsets);
      this.#idBytes = widened(this.#idBytes);
      this.ids = widened(this.ids);
    }
    return row;
  }

  setId(row: number, bytes: Uint8Array, start: number, length: number): void {
    const at = row * this.#idBytesMax;
    for (let n = 0; n < length; n += 1) this.ids[at + n] = bytes[start + n] ?? 0;
    this.#idBytes[row] = length;
  }

  setOffset(row: number, offset: number): void {
    this.#offsets[row] = offset;
  }

  offset(row: number): number {
    return this.#offsets[row] ?? 0;
  }

  idStart(row: number): number {
    return row * this.#idBytesMax;
  }

  idBytes(row: number): number {
    return this.#idBytes[row] ?? 0;
  }
}
