import { grown } from "./columns.ts";
import { KeyTable } from "./key-table.ts";

/** How far each filter has looked on each cursor: a row each, 16 bytes and its place in the look-up. */
export class ScanPositions {
  readonly #rows = new KeyTable();
  #cursor = new Int32Array(16);
  #filter = new Uint8Array(16);
  #at = new Float64Array(16);
  #used = 0;
  readonly #free: number[] = [];

  /** First offset that a filter has not looked at; -1 when it has not begun. */
  get(cursor: number, filter: number): number {
    const row = this.#rows.get(filter, cursor);
    return row < 0 ? -1 : (this.#at[row] ?? 0);
  }

  set(cursor: number, filter: number, offset: number): void {
    let row = this.#rows.get(filter, cursor);
    if (row < 0) {
      row = this.#free.pop() ?? this.#used++;
      if (row >= this.#at.length) this.#grow();
      this.#cursor[row] = cursor;
      this.#filter[row] = filter;
      this.#rows.add(filter, cursor, row);
    }
    this.#at[row] = offset;
  }

  /** Lets a filter look again from an offset on; nothing when it has not come so far. */
  rewind(cursor: number, filter: number, offset: number): void {
    const row = this.#rows.get(filter, cursor);
    if (row >= 0 && (this.#at[row] ?? 0) > offset) this.#at[row] = offset;
  }

  /** Forgets the positions of cursors. */
  forget(concerns: (cursor: number) => boolean): void {
    for (let row = 0; row < this.#used; row += 1) {
      const [cursor, filter] = [this.#cursor[row] ?? 0, this.#filter[row] ?? 0];
      if (this.#rows.get(filter, cursor) === row && concerns(cursor)) this.#remove(cursor, filter, row);
    }
  }

  /** Forgets a filter's position on one cursor. */
  forgetOne(cursor: number, filter: number): void {
    const row = this.#rows.get(filter, cursor);
    if (row >= 0) this.#remove(cursor, filter, row);
  }

  #remove(cursor: number, filter: number, row: number): void {
    this.#rows.remove(filter, cursor);
    this.#free.push(row);
  }

  #grow(): void {
    const capacity = this.#at.length * 2;
    this.#cursor = grown(this.#cursor, capacity);
    this.#filter = grown(this.#filter, capacity);
    this.#at = grown(this.#at, capacity);
  }
}
