const remembered = 128;
/** Shared by those of which none has ended. */
const none: number[] = [];

/** How a stream that is no longer open came to its end. */
export type ClosedKind = "reset" | "ended" | "unknown";

/**
 * The last streams that ended: frames that crossed our RST_STREAM on their way are no mistake of the peer, frames after its own end are one
 * (RFC 9113, 5.1, "closed").
 */
export class ClosedStreams {
  #ring: number[] = none;
  #next = 0;

  /** @param resetByUs the peer may not know yet */
  add(id: number, resetByUs: boolean): void {
    if (this.#ring === none) this.#ring = [];
    this.#ring[this.#next] = resetByUs ? -id : id;
    this.#next = (this.#next + 1) % remembered;
  }

  kindOf(id: number): ClosedKind {
    if (this.#ring.includes(-id)) return "reset";
    return this.#ring.includes(id) ? "ended" : "unknown";
  }
}
