import { defined } from "@saturnmq/kit";
import type { Answers } from "../transport/service.ts";

const rowsAtStart = 256;

/** Calls that wait for their message to be stored: a row each, in typed arrays. */
export class ParkedSends {
  readonly #idBytesMax: number;
  #rows = 0;
  readonly #free: number[] = [];
  readonly #answers: (Answers | undefined)[] = [];
  #tickets = new Float64Array(rowsAtStart);
  #offsets = new Float64Array(rowsAtStart);
  #startedMs = new Float64Array(rowsAtStart);
  #idBytes = new Uint8Array(rowsAtStart);
  /** Message ids, `idBytesMax` bytes a row. */
  ids: Uint8Array;

  /** @param idBytesMax of a message id, at most 255 */
  constructor(idBytesMax: number) {
    this.#idBytesMax = idBytesMax;
    this.ids = new Uint8Array(rowsAtStart * idBytesMax);
  }

  /** Rows in use. */
  get count(): number {
    return this.#rows - this.#free.length;
  }

  /** A row for use. */
  take(): number {
    const row = this.#free.pop() ?? this.#rows++;
    if (row === this.#tickets.length) this.#grow();
    return row;
  }

  give(row: number): void {
    this.#answers[row] = undefined;
    this.#free.push(row);
  }

  setId(row: number, bytes: Uint8Array, start: number, length: number): void {
    const at = row * this.#idBytesMax;
    for (let n = 0; n < length; n += 1) this.ids[at + n] = bytes[start + n] ?? 0;
    this.#idBytes[row] = length;
  }

  fill(row: number, ticket: number, answers: Answers, offset: number, startedMs: number): void {
    this.#tickets[row] = ticket;
    this.#answers[row] = answers;
    this.#offsets[row] = offset;
    this.#startedMs[row] = startedMs;
  }

  ticket(row: number): number {
    return this.#tickets[row] ?? 0;
  }

  answers(row: number): Answers {
    return defined(this.#answers[row], "who is to be answered");
  }

  offset(row: number): number {
    return this.#offsets[row] ?? 0;
  }

  startedMs(row: number): number {
    return this.#startedMs[row] ?? 0;
  }

  idStart(row: number): number {
    return row * this.#idBytesMax;
  }

  idBytes(row: number): number {
    return this.#idBytes[row] ?? 0;
  }

  #grow(): void {
    const rows = 2 * this.#tickets.length;
    this.#tickets = widened(new Float64Array(rows), this.#tickets);
    this.#offsets = widened(new Float64Array(rows), this.#offsets);
    this.#startedMs = widened(new Float64Array(rows), this.#startedMs);
    this.#idBytes = widened(new Uint8Array(rows), this.#idBytes);
    this.ids = widened(new Uint8Array(rows * this.#idBytesMax), this.ids);
  }
}

function widened<Column extends Float64Array | Uint8Array>(column: Column, from: Column): Column {
  column.set(from);
  return column;
}
