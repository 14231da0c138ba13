import type { Answers, ClientHeaders, FastCall } from "../transport/service.ts";

/** A fast call without a transport: keeps its answer. */
export class FakeFastCall implements FastCall, Answers {
  readonly ticket = 2 ** 40 + 7;
  readonly startedMs = 0;
  readonly deadlineMs = Infinity;
  readonly peer = "127.0.0.1:50000";
  readonly answers = this;
  /** Resolves with the reply. */
  readonly answered: Promise<Uint8Array>;
  readonly #resolve: (reply: Uint8Array) => void;
  readonly #reject: (error: unknown) => void;
  readonly #headers: readonly (string | undefined)[];

  /** Knows the client's id and language. */
  constructor({ clientId = "host@1@0@x", language = "JAVA" }: Partial<ClientHeaders> = {}) {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    this.answered = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#headers = [clientId, language];
  }

  header(at: number): string | undefined {
    return this.#headers[at];
  }

  answer(ticket: number, bytes: Uint8Array, start: number, length: number): void {
    if (ticket === this.ticket) this.#resolve(Uint8Array.from(bytes.subarray(start, start + length)));
  }

  fail(_ticket: number, error: unknown): void {
    this.#reject(error);
  }

  waits(): boolean {
    return true;
  }
}
