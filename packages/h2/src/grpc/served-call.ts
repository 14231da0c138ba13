import { type ErrorCode, errorTable } from "@saturnmq/kit";
import type { HeaderField } from "../core/hpack-encoder.ts";
import type { ClientHeaders, StreamingCall } from "../service.ts";
import { binaryValue, metadataEntry } from "./metadata.ts";
import type { Failure } from "./status.ts";

/** What a call needs of the transport. Each is called only while the call is open. */
export interface CallPort {
  /** Sends the head if it has not left, then a message. False: it waits. @param owned nobody changes the bytes later */
  write(call: ServedCall, bytes: Uint8Array, start: number, length: number, owned: boolean): boolean;
  /** Whether something waits to be sent. */
  waits(call: ServedCall): boolean;
  /** Ends the call. */
  finish(call: ServedCall, failure: Failure | undefined): void;
}

/** What the request's head said. */
export type CallHead = {
  readonly ticket: number;
  readonly deadlineMs: number;
  readonly authority: string;
  readonly peer: string;
  /** Names and values by turns. */
  readonly metadata: readonly string[];
  readonly codeTrailer: string;
};

/** Shared, as most calls never have any. */
const none: readonly never[] = [];

/** A call of any kind as handlers see it, unary ones by less of it. It outlives its stream: whoever keeps it finds it `gone` or ended. */
export class ServedCall implements StreamingCall {
  readonly head: CallHead;
  /** Metadata to go in front of the replies, and behind. */
  headers: readonly HeaderField[] = none;
  trailers: readonly HeaderField[] = none;
  /** Answered, or told that nobody waits. */
  ended = false;
  #gone = false;
  readonly #port: CallPort;
  #controller: AbortController | undefined;
  #client: ClientHeaders | undefined;
  #drained: readonly (() => void)[] = none;
  #onGone: readonly (() => void)[] = none;
  #onLeaving: readonly (() => void)[] = none;

  constructor(head: CallHead, port: CallPort) {
    this.head = head;
    this.#port = port;
  }

  get client(): ClientHeaders {
    this.#client ??= {
      clientId: this.header("x-mq-client-id") ?? "",
      language: (this.header("x-mq-language") ?? "").toUpperCase(),
      version: this.header("x-mq-client-version") ?? "",
      namespace: this.header("x-mq-namespace") ?? "",
      authority: this.head.authority,
      peer: this.head.peer,
    };
    return this.#client;
  }

  get deadlineMs(): number {
    return this.head.deadlineMs;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#gone) this.#controller.abort();
    return this.#controller.signal;
  }

  get gone(): boolean {
    return this.#gone;
  }

  header(name: string): string | undefined {
    const { metadata } = this.head;
    for (let at = 0; at < metadata.length; at += 2) if (metadata[at] === name) return metadata[at + 1];
    return undefined;
  }

  binaryHeader(name: string): Buffer | undefined {
    const value = this.header(name);
    return value === undefined ? undefined : binaryValue(value);
  }

  addHeader(name: string, value: string | Uint8Array): void {
    this.headers = [...this.headers, metadataEntry(name, value)];
  }

  addTrailer(name: string, value: string | Uint8Array): void {
    this.trailers = [...this.trailers, metadataEntry(name, value)];
  }

  write(reply: Uint8Array): boolean {
    return this.ended || this.#port.write(this, reply, 0, reply.length, true);
  }

  writeFrom(bytes: Uint8Array, start: number, length: number): boolean {
    return this.ended || this.#port.write(this, bytes, start, length, false);
  }

  drained(): Promise<void> {
    if (this.ended || !this.#port.waits(this)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = withOne(this.#drained, resolve);
    });
  }

  end(failure?: { readonly code: ErrorCode; readonly message: string }): void {
    if (this.ended) return;
    this.#port.finish(
      this,
      failure === undefined
        ? undefined
        : {
            code: errorTable[failure.code].grpc,
            message: failure.message,
            trailers: [[this.head.codeTrailer, failure.code]],
          },
    );
  }

  onGone(listener: () => void): void {
    if (this.#gone) listener();
    else this.#onGone = withOne(this.#onGone, listener);
  }

  onLeaving(listener: () => void): void {
    this.#onLeaving = withOne(this.#onLeaving, listener);
  }

  /** The connection takes leave. */
  leaving(): void {
    for (const listener of this.#onLeaving) listener();
  }

  /** Nothing waits to be sent any more. */
  notifyDrained(): void {
    const waiting = this.#drained;
    this.#drained = none;
    for (const resolve of waiting) resolve();
  }

  /** The call is over. @param gone before it was answered: nobody waits for that any more */
  close(gone: boolean): void {
    if (this.ended) return;
    this.ended = true;
    this.#gone = gone;
    this.notifyDrained();
    if (!gone) return;
    this.#controller?.abort();
    for (const listener of this.#onGone) listener();
  }
}

/** A list with one more. The first makes no room for others: mostly it stays the only one. */
function withOne(list: readonly (() => void)[], one: () => void): readonly (() => void)[] {
  return list.length === 0 ? [one] : [...list, one];
}
