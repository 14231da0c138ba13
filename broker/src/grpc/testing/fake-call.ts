import type { ErrorCode } from "@saturnmq/kit";
import type { ClientHeaders, StreamingCall } from "../transport/service.ts";

/** A call without a transport: keeps what is written to it, and can lose its client. */
export class FakeCall implements StreamingCall {
  readonly client: ClientHeaders;
  readonly deadlineMs: number;
  readonly replies: Uint8Array[] = [];
  ended: { readonly code: ErrorCode; readonly message: string } | "ok" | undefined;
  /** Resolves when the handler has ended it. */
  readonly done: Promise<void>;
  readonly #done: () => void;
  /** Told of each reply after it was kept. */
  onWrite: () => void = () => undefined;
  readonly #controller = new AbortController();
  readonly #onLeaving: (() => void)[] = [];

  constructor(client: Partial<ClientHeaders> = {}, deadlineMs = Infinity) {
    this.client = {
      ...{ clientId: "host@1@0@x", language: "JAVA", version: "5.2.1", namespace: "" },
      ...{ authority: "127.0.0.1:8081", peer: "127.0.0.1:50000" },
      ...client,
    };
    this.deadlineMs = deadlineMs;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.done = promise;
    this.#done = () => {
      resolve(undefined);
    };
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get gone(): boolean {
    return this.#controller.signal.aborted;
  }

  /** The client goes away. */
  lose(): void {
    this.#controller.abort();
  }

  onGone(listener: () => void): void {
    if (this.gone) listener();
    else this.signal.addEventListener("abort", listener, { once: true });
  }

  onLeaving(listener: () => void): void {
    this.#onLeaving.push(listener);
  }

  /** Its connection takes leave. */
  leave(): void {
    for (const listener of this.#onLeaving) listener();
  }

  header(): undefined {
    return undefined;
  }

  write(reply: Uint8Array): boolean {
    if (this.gone || this.ended !== undefined) return true;
    this.replies.push(reply);
    this.onWrite();
    return true;
  }

  writeFrom(bytes: Uint8Array, start: number, length: number): boolean {
    return this.write(Buffer.from(bytes.subarray(start, start + length)));
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  end(failure?: { readonly code: ErrorCode; readonly message: string }): void {
    this.ended ??= failure ?? "ok";
    this.#done();
  }
}
