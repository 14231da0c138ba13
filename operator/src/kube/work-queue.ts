import type { Cancel, Random, Timers } from "@saturnmq/kit";

export type WorkQueueOptions = {
  readonly timers: Timers;
  readonly random: Random;
  /** Keys worked on at once. */
  readonly workers: number;
  /** Works on a key; resolves to when it should come again, milliseconds, or `undefined` for not by itself. */
  readonly work: (key: string) => Promise<number | undefined>;
  /** Told of each failure; the key comes again after a growing pause. */
  readonly failed: (key: string, error: unknown) => void;
};

const firstBackoffMs = 100;
const backoffMaxMs = 60_000;

type Row = { running: boolean; again: boolean; failures: number; cancel: Cancel | undefined };

/**
 * Keys that something is to be done about. A key is worked on by one worker at a time, however often it is added; added while it is worked on, it
 * comes once more. Failures come again after 0.1 s, doubled each time up to a minute, with chance in it so that many do not come at once.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #rows = new Map<string, Row>();
  readonly #ready: string[] = [];
  #running = 0;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Has a key worked on as soon as a worker is free. */
  add(key: string): void {
    if (this.#closed) return;
    const row = this.#row(key);
    row.cancel?.();
    row.cancel = undefined;
    if (row.running) row.again = true;
    else if (!this.#ready.includes(key)) this.#ready.push(key);
    this.#next();
  }

  /** No key is begun any more; resolves when those in work are done. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { cancel } of this.#rows.values()) cancel?.();
    this.#ready.length = 0;
    if (this.#running > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
  }

  #row(key: string): Row {
    const row = this.#rows.get(key) ?? { running: false, again: false, failures: 0, cancel: undefined };
    this.#rows.set(key, row);
    return row;
  }

  #next(): void {
    while (this.#running < this.#options.workers) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const row = this.#row(key);
    row.running = true;
    this.#running += 1;
    try {
      const againMs = await this.#options.work(key);
      row.failures = 0;
      this.#settle(key, row, againMs);
    } catch (error) {
      row.failures += 1;
      this.#options.failed(key, error);
      this.#settle(key, row, Math.max(this.#backoffMs(row.failures), askedForMs(error)));
    }
    this.#running -= 1;
    this.#next();
    if (this.#running === 0) this.#idle?.();
  }

  #settle(key: string, row: Row, againMs: number | undefined): void {
    row.running = false;
    if (this.#closed) return;
    if (row.again) {
      row.again = false;
      this.add(key);
    } else if (againMs !== undefined) {
      row.cancel = this.#options.timers.after(againMs, () => this.add(key));
    } else if (row.failures === 0) this.#rows.delete(key);
  }

  #backoffMs(failures: number): number {
    const most = Math.min(firstBackoffMs * 2 ** (failures - 1), backoffMaxMs);
    return most / 2 + this.#options.random.below(Math.ceil(most / 2) + 1);
  }
}

/** A server that is busy says when to come again. */
function askedForMs(error: unknown): number {
  return error instanceof Error && "retryAfterMs" in error && typeof error.retryAfterMs === "number"
    ? error.retryAfterMs
    : 0;
}
