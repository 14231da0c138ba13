import { type Logger, SaturnError } from "@saturnmq/kit";
import type { ReplicaId } from "raft-ts";
import { encodeFailure } from "./call-frames.ts";
import type { Channel } from "./channel.ts";
import { PeerCallError, type PeerCounters, type PeerLinksOptions } from "./ports.ts";
import { ProtocolError } from "./protocol-error.ts";

export type ServedCallsOptions = {
  readonly from: ReplicaId;
  readonly channel: Channel;
  readonly handle: PeerLinksOptions["handle"];
  readonly callsMax: number;
  readonly callBytesMax: number;
  /** Bytes that wait for this peer above which nothing more is begun for it. */
  readonly queuedBytesMax: number;
  readonly counters: PeerCounters;
  readonly logger: Logger;
};

/** Calls of one peer over one link. */
export class ServedCalls {
  readonly #options: ServedCallsOptions;
  readonly #open = new Map<number, AbortController>();
  #ended = false;

  constructor(options: ServedCallsOptions) {
    this.#options = options;
  }

  /** @throws {ProtocolError} if the id is taken */
  begin(id: number, request: Uint8Array): void {
    const { callsMax, queuedBytesMax, channel, counters } = this.#options;
    if (this.#open.has(id)) throw new ProtocolError(`call ${id} is open already`);
    // A caller that gave up counts its call as over; here it is until its handler ends.
    if (this.#open.size >= 2 * callsMax || channel.pendingBytes > queuedBytesMax) {
      counters.callsRefused += 1;
      this.#fail(id, new PeerCallError("refused", "the peer has too much to do for this process already"));
      return;
    }
    const controller = new AbortController();
    this.#open.set(id, controller);
    void this.#serve(id, request, controller.signal);
  }

  cancel(id: number): void {
    this.#open.get(id)?.abort();
  }

  /** The link is down: nobody waits for the answers. */
  end(): void {
    this.#ended = true;
    for (const controller of this.#open.values()) controller.abort();
    this.#open.clear();
  }

  async #serve(id: number, request: Uint8Array, signal: AbortSignal): Promise<void> {
    const { handle, from, channel, callBytesMax } = this.#options;
    try {
      const answer = await handle(from, request, signal);
      if (answer.length > callBytesMax)
        throw new RangeError(`an answer of ${answer.length} bytes, at most ${callBytesMax} are sent`);
      if (!this.#ended) channel.send({ kind: "answer", call: id, body: answer });
    } catch (error) {
      this.#fail(id, this.#failure(error));
    } finally {
      this.#open.delete(id);
    }
  }

  #fail(id: number, error: PeerCallError | SaturnError): void {
    if (!this.#ended) this.#options.channel.send({ kind: "failure", call: id, body: encodeFailure(error) });
  }

  #failure(error: unknown): PeerCallError | SaturnError {
    if (error instanceof SaturnError || error instanceof PeerCallError) return error;
    this.#options.logger.error({ err: error, peer: this.#options.from }, "a peer's call failed");
    return new PeerCallError("unknown", "the call failed inside the peer");
  }
}
