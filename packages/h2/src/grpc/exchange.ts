import { defined } from "@saturnmq/kit";
import type { Connection } from "../core/connection.ts";
import { MessageReader } from "../core/message-reader.ts";
import type { Stream } from "../core/stream.ts";
import type { Answers, FastCall, IncomingStream } from "../service.ts";
import type { Route } from "./routes.ts";
import type { ServedCall } from "./served-call.ts";

/**
 * `reading`: the request is on its way. `serving`: the handler has it. `discarding`: not gRPC, answered when its body has passed. `answered`: the end
 * of the answer is known, and may still have to wait for the client.
 */
export type Phase = "reading" | "serving" | "discarding" | "answered";

/** A message that waits for an earlier one to be inflated. */
export type BackloggedMessage = { readonly bytes: Buffer; readonly compressed: boolean };

/** A call, as long as its stream lasts. One a stream record, used again with it. */
export class Exchange implements FastCall {
  readonly stream: Stream<Exchange>;
  readonly answers: Answers;
  readonly reader = new MessageReader();
  phase: Phase = "reading";
  route: Route | undefined;
  ticket = 0;
  deadlineMs = Number.POSITIVE_INFINITY;
  startedMs = 0;
  peer = "";
  /** A whole request whose stream has not ended. */
  held: Buffer | undefined;
  /** Bytes booked as memory of this call, and those of them that wait to be inflated or wait behind. */
  countedBytes = 0;
  inflateBytes = 0;
  discardedBytes = 0;
  gzip = false;
  inflating = false;
  backlog: BackloggedMessage[] | undefined;
  /** The object that a plain handler has. */
  call: ServedCall | undefined;
  incoming: IncomingStream | undefined;
  #connection: Connection<Exchange> | undefined;
  readonly #headers: (string | undefined)[] = [];

  constructor(stream: Stream<Exchange>, answers: Answers) {
    this.stream = stream;
    this.answers = answers;
  }

  get connection(): Connection<Exchange> {
    return defined(this.#connection, "connection of a call");
  }

  /** Makes the record ready for a new stream. */
  begin(connection: Connection<Exchange>, ticket: number, nowMs: number): void {
    this.#connection = connection;
    this.ticket = ticket;
    this.phase = "reading";
    this.route = undefined;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.startedMs = nowMs;
    this.discardedBytes = 0;
    this.gzip = false;
  }

  /** The stream is gone; the record may lie unused for long. */
  release(): void {
    this.#connection = undefined;
    this.route = undefined;
    // A loop, as `fill` of so few is a call into the runtime.
    for (let at = 0; at < this.#headers.length; at += 1) this.#headers[at] = undefined;
  }

  /** Lets go of what the call held. */
  clear(): void {
    this.reader.clear();
    this.held = undefined;
    this.inflating = false;
    this.backlog = undefined;
    this.call = undefined;
    this.incoming = undefined;
    this.inflateBytes = 0;
  }

  /** Bytes of the request that are kept for it. */
  get keptBytes(): number {
    return this.reader.roomBytes + this.inflateBytes + (this.held?.length ?? 0);
  }

  header(at: number): string | undefined {
    return this.#headers[at];
  }

  /** The metadata that was kept, under its names: names and values by turns. */
  kept(names: readonly string[]): string[] {
    return names.flatMap((name, at) => {
      const value = this.#headers[at];
      return value === undefined ? [] : [name, value];
    });
  }

  setHeader(at: number, value: string | undefined): void {
    this.#headers[at] = value;
  }
}
