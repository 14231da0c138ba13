import { defined } from "@saturnmq/kit";
import type { Answers } from "../transport/service.ts";

const rowsAtStart = 256;

/** Calls that wait for what they staged to be stored: a row each, in typed arrays. */
export class ParkedCalls {
  #rows = 0;
  readonly #free: number[] = [];
  readonly #answers: (Answers | undefined)[] = [];
  #tickets = new Float64Array(rowsAtStart);
  #startedMs = new Float64Array(rowsAtStart);

  /** Rows in use. */
  get count(): number {
    return this.#rows - this.#free.length;
  }

  /** A row for use. */
  take(): number {
    const row = this.#free.pop() ?? this.#rows++;
    if (row === this.#tickets.length) {
      this.#tickets = widened(this.#tickets);
      this.#startedMs = widened(this.#startedMs);
    }
    return row;
  }

  give(row: number): void {
    this.#answers[row] = undefined;
    this.#free.push(row);
  }

  fill(row: number, ticket: number, answers: Answers, startedMs: number): void {
    this.#tickets[row] = ticket;
    this.#answers[row] = answers;
    this.#startedMs[row] = startedMs;
  }

  ticket(row: number): number {
    return this.#tickets[row] ?? 0;
  }

  answers(row: number): Answers {
    return defined(this.#answers[row], "who is to be answered");
  }

  startedMs(row: number): number {
    return this.#startedMs[row] ?? 0;
  }
}

/** A column twice as long. */
export function widened<Column extends Float64Array | Uint8Array>(column: Column): Column {
  const wider = new (column.constructor as new (length: number) => Column)(2 * column.length);
  wider.set(column);
  return wider;
}
