import { gunzip } from "node:zlib";

/** At once; more wait. Each may take as much memory as the largest message, and a thread of the pool that also writes the log. */
const atOnceMax = 2;

/** What came of a message: its bytes, or what was wrong. */
export type Inflated = { readonly bytes: Buffer } | { readonly problem: "tooLarge" | "broken" };

/** Beyond this size a message may be so many times larger than what was sent of it; honest ones are not. */
const freeBytes = 4 << 20;
const ratioMax = 100;

type Job = {
  readonly bytes: Buffer;
  /** Largest result. */
  readonly sizeMax: number;
  /** Whether somebody still waits. */
  readonly wanted: () => boolean;
  readonly done: (result: Inflated) => void;
};

/** Inflates gzip messages off the main thread, a few at once, each within a bound. */
export class Inflater {
  readonly #waiting: Job[] = [];
  #running = 0;

  /** Calls `done` later, if it is wanted still, with what the bytes hold. */
  inflate(job: Job): void {
    this.#waiting.push(job);
    this.#next();
  }

  #next(): void {
    if (this.#running === atOnceMax) return;
    let job = this.#waiting.shift();
    while (job !== undefined && !job.wanted()) job = this.#waiting.shift();
    if (job !== undefined) this.#run(job);
  }

  #run(job: Job): void {
    this.#running += 1;
    const maxOutputLength = Math.min(job.sizeMax, Math.max(freeBytes, ratioMax * job.bytes.length));
    gunzip(job.bytes, { maxOutputLength }, (error, bytes) => {
      this.#running -= 1;
      if (job.wanted()) job.done(error === null ? { bytes } : { problem: problemOf(error) });
      this.#next();
    });
  }
}

function problemOf(error: NodeJS.ErrnoException): "tooLarge" | "broken" {
  return error.code === "ERR_BUFFER_TOO_LARGE" ? "tooLarge" : "broken";
}
