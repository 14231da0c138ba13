import type { Refusal, SendResult } from "./client/messaging-client.ts";
import { CliError, isPassing } from "./exit-codes.ts";

/** A message on its way, with the number of its line, from 1. */
export type Line<Message> = { readonly number: number; readonly message: Message };

export type ProduceOptions<Message> = {
  /** One call. Rejects with `CliError` when the call as a whole failed. */
  readonly send: (messages: readonly Message[]) => Promise<readonly SendResult[]>;
  /** Waits, milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** How long one message may be refused retryably before it is given up. */
  readonly retryForMs: number;
  /** Calls in flight at once; 1 keeps the lines of all calls in order. Default: 8. */
  readonly calls?: number;
};

/** Most messages of one call, and most bytes of their bodies unless one message alone has more. */
export const batchMessagesMax = 64;
export const batchBytesMax = 512 * 1_024;
/** Calls in flight at once, unless another number is asked for. */
export const callsMax = 8;

const firstPauseMs = 50;
const lastPauseMs = 2_000;

/** Failure of a line: which and why. */
export class LineFailure extends Error {
  override readonly name = "LineFailure";
  readonly line: number;
  readonly why: Refusal | CliError;

  constructor(line: number, why: Refusal | CliError) {
    super(`line ${line}: ${why instanceof CliError ? why.message : why.text}`);
    this.line = line;
    this.why = why;
  }
}

/**
 * Sends lines in batches, a bounded number in flight, messages of one call in the order of their lines. A message that is refused retryably, or
 * whose call was lost, is sent again with the same id: after a lost call it may be stored twice.
 */
export class ProduceRun<Message> {
  readonly #options: ProduceOptions<Message>;
  readonly #calls = new Set<Promise<void>>();
  #sent = 0;
  #failure: unknown;

  constructor(options: ProduceOptions<Message>) {
    this.#options = options;
  }

  /** Messages acknowledged so far. */
  get sent(): number {
    return this.#sent;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Starts to send a batch; waits while too many are in flight. Does nothing after a failure. */
  async add(batch: readonly Line<Message>[]): Promise<void> {
    while (this.#calls.size >= (this.#options.calls ?? callsMax) && !this.failed) await Promise.race(this.#calls);
    if (this.failed || batch.length === 0) return;
    const call = this.#deliver(batch)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  /** Waits for everything in flight. @throws {LineFailure} what made it give up */
  async finish(): Promise<void> {
    await Promise.all(this.#calls);
    if (this.failed) throw this.#failure;
  }

  async #deliver(batch: readonly Line<Message>[]): Promise<void> {
    const { pause, nowMs, retryForMs } = this.#options;
    const giveUpAtMs = nowMs() + retryForMs;
    let left = batch;
    for (let pauseMs = firstPauseMs; left.length > 0; pauseMs = Math.min(2 * pauseMs, lastPauseMs)) {
      const { again, why } = await this.#attempt(left);
      const [first] = again;
      if (first === undefined || why === undefined) return;
      if (nowMs() + pauseMs > giveUpAtMs || this.failed) throw new LineFailure(first.number, why);
      left = again;
      await pause(pauseMs);
    }
  }

  /** Sends once, counts what was stored, and answers what must be sent again. @throws {LineFailure} for what must not */
  async #attempt(
    batch: readonly Line<Message>[],
  ): Promise<{ again: readonly Line<Message>[]; why: Refusal | CliError | undefined }> {
    let results: readonly SendResult[];
    try {
      results = await this.#options.send(batch.map(({ message }) => message));
    } catch (error) {
      const [first] = batch;
      if (!isPassing(error) || first === undefined) throw error;
      return { again: batch, why: error };
    }
    const refused = batch.flatMap((line, at) => {
      const result = results[at];
      return result !== undefined && "refusal" in result ? [{ line, why: result.refusal }] : [];
    });
    this.#sent += batch.length - refused.length;
    const lost = refused.find(({ why }) => !why.retryable);
    if (lost !== undefined) throw new LineFailure(lost.line.number, lost.why);
    return { again: refused.map(({ line }) => line), why: refused[0]?.why };
  }
}

/** Cuts lines into batches that one call may carry, in order. */
export function batchesOf<Message>(
  lines: readonly Line<Message>[],
  bytesOf: (message: Message) => number,
): Line<Message>[][] {
  const batches: Line<Message>[][] = [];
  let batch: Line<Message>[] = [];
  let bytes = 0;
  for (const line of lines) {
    const size = bytesOf(line.message);
    if (batch.length > 0 && (batch.length >= batchMessagesMax || bytes + size > batchBytesMax)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
