import type { SaturnError } from "@saturnmq/kit";
import { decodeFailure } from "./call-frames.ts";
import type { Channel } from "./channel.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import type { QueuedFrame } from "./outbox.ts";
import { type CallOptions, PeerCallError } from "./ports.ts";

const noBytes = new Uint8Array(0);
const idMax = 0xff_ff_ff_ff;

export type OutgoingCallsOptions = {
  readonly channel: Channel;
  readonly deadlines: Deadlines;
  readonly callsMax: number;
  readonly callBytesMax: number;
  readonly queuedBytesMax: number;
};

/** One call: an object, and no closure, timer or listener more than the caller asks for. */
class OpenCall implements Expiring {
  readonly id: number;
  readonly frame: QueuedFrame;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: PeerCallError | SaturnError) => void;
  readonly #calls: OutgoingCalls;
  readonly #options: CallOptions;
  readonly #deadline: number;

  constructor(
    calls: OutgoingCalls,
    { id, frame, resolve, reject }: Pick<OpenCall, "id" | "frame" | "resolve" | "reject">,
    { deadlines, options }: { readonly deadlines: Deadlines; readonly options: CallOptions },
  ) {
    this.id = id;
    this.frame = frame;
    this.resolve = resolve;
    this.reject = reject;
    this.#calls = calls;
    this.#options = options;
    this.#deadline = deadlines.set(options.timeoutMs, this);
    options.signal?.addEventListener("abort", this, { once: true });
  }

  expired(): void {
    this.#calls.giveUp(this.id, `no answer within ${this.#options.timeoutMs} ms`);
  }

  /** The signal's listener. */
  handleEvent(): void {
    this.#calls.giveUp(this.id, "the caller gave up");
  }

  /** Ends the watch over deadline and signal. */
  release(deadlines: Deadlines): void {
    deadlines.callOff(this.#deadline, this);
    this.#options.signal?.removeEventListener("abort", this);
  }
}

/** Calls to one peer over one link. */
export class OutgoingCalls {
  readonly #options: OutgoingCallsOptions;
  readonly #open = new Map<number, OpenCall>();
  #lastId = 0;

  constructor(options: OutgoingCallsOptions) {
    this.#options = options;
  }

  call(request: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const problem = this.#problem(request, options.signal);
    if (problem !== undefined) return Promise.reject(new PeerCallError("notSent", problem));
    const id = this.#nextId();
    const { channel, deadlines } = this.#options;
    return new Promise((resolve, reject) => {
      const frame = channel.send({ kind: "call", call: id, body: request });
      this.#open.set(id, new OpenCall(this, { id, frame, resolve, reject }, { deadlines, options }));
    });
  }

  answered(id: number, answer: Uint8Array): void {
    this.#close(id)?.resolve(answer);
  }

  /** @throws {ProtocolError} */
  failed(id: number, payload: Uint8Array): void {
    const error = decodeFailure(payload);
    this.#close(id)?.reject(error);
  }

  /** The caller waits no longer. */
  giveUp(id: number, why: string): void {
    if (this.#rejectBySent(id, why)) this.#options.channel.send({ kind: "cancel", call: id, body: noBytes });
  }

  /** The link is down. */
  end(): void {
    for (const id of [...this.#open.keys()]) this.#rejectBySent(id, "the link to the peer ended");
  }

  #problem(request: Uint8Array, signal: AbortSignal | undefined): string | undefined {
    const { callsMax, callBytesMax, queuedBytesMax, channel } = this.#options;
    if (signal?.aborted === true) return "the caller gave up";
    if (request.length > callBytesMax) return `a request of ${request.length} bytes, at most ${callBytesMax} are sent`;
    if (this.#open.size >= callsMax) return `${callsMax} calls to the peer are open already`;
    if (channel.pendingBytes + request.length > queuedBytesMax) return "too much waits to be sent to the peer already";
    return undefined;
  }

  /** Rejects by whether the request can have left. True if so. */
  #rejectBySent(id: number, why: string): boolean {
    const open = this.#close(id);
    if (open === undefined) return false;
    const sent = !this.#options.channel.outbox.withdraw(open.frame);
    open.reject(new PeerCallError(sent ? "unknown" : "notSent", why));
    return sent;
  }

  #close(id: number): OpenCall | undefined {
    const open = this.#open.get(id);
    this.#open.delete(id);
    open?.release(this.#options.deadlines);
    return open;
  }

  /** An id that no open call has. Late answers of the one before are 2^32 calls old. */
  #nextId(): number {
    do this.#lastId = this.#lastId >= idMax ? 1 : this.#lastId + 1;
    while (this.#open.has(this.#lastId));
    return this.#lastId;
  }
}
