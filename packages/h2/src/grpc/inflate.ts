import { gunzip } from "node:zlib";

/** At once; more wait. Each may take as much memory as the largest message, and a thread of the pool that also writes the log. */
const atOnceMax = 2;

/** What came of a message: its bytes, or what was wrong. */
export type Inflated = { readonly bytes: Buffer } | { readonly problem: "tooLarge" | "broken" };

type Job = { readonly bytes: Buffer; readonly sizeMax: number; readonly done: (result: Inflated) => void };

/** Inflates gzip messages off the main thread, a few at once, each within a bound. */
export class Inflater {
  readonly #waiting: Job[] = [];
  #running = 0;

  /** Calls `done` later with what `bytes` hold, at most `sizeMax` bytes. */
  inflate(bytes: Buffer, sizeMax: number, done: (result: Inflated) => void): void {
    this.#waiting.push({ bytes, sizeMax, done });
    this.#next();
  }

  #next(): void {
    if (this.#running === atOnceMax) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running += 1;
    gunzip(job.bytes, { maxOutputLength: Math.max(1, job.sizeMax) }, (error, bytes) => {
      this.#running -= 1;
      job.done(error === null ? { bytes } : { problem: problemOf(error) });
      this.#next();
    });
  }
}

function problemOf(error: NodeJS.ErrnoException): "tooLarge" | "broken" {
  return error.code === "ERR_BUFFER_TOO_LARGE" ? "tooLarge" : "broken";
}
