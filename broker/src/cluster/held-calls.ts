import { SaturnError } from "@saturnmq/kit";

/** Calls that wait for a leader at once, and the bytes that they hold. */
const callsMax = 10_000;
const bytesMax = 64 * 1024 ** 2;

/** Calls on hold for want of a leader, bounded in number and memory: more of them would only be answered late. */
export class HeldCalls {
  #calls = 0;
  #bytes = 0;

  get count(): number {
    return this.#calls;
  }

  /**
   * Runs a wait.
   *
   * @param bytes that the call keeps in memory meanwhile
   * @throws {SaturnError} `TOO_MANY_REQUESTS` at once when too much waits already
   */
  async hold<T>(bytes: number, wait: () => Promise<T>): Promise<T> {
    if (this.#calls >= callsMax || (this.#calls > 0 && this.#bytes + bytes > bytesMax)) {
      throw new SaturnError(
        "TOO_MANY_REQUESTS",
        `${this.#calls} calls wait for shards without a leader: try again in a few seconds`,
      );
    }
    this.#calls += 1;
    this.#bytes += bytes;
    try {
      return await wait();
    } finally {
      this.#calls -= 1;
      this.#bytes -= bytes;
    }
  }
}
