const remembered = 128;
/** Room for the first that end: most connections of a client that waits see no more. */
const rememberedAtStart = 8;

/** How a stream that is no longer open came to its end. */
export type ClosedKind = "reset" | "ended" | "unknown";

/**
 * The last streams that ended: frames that crossed our RST_STREAM on their way are no mistake of the peer, frames after its own end are one
 * (RFC 9113, 5.1, "closed").
 */
export class ClosedStreams {
  #ring: Int32Array | undefined;
  #next = 0;

  /** @param resetByUs the peer may not know yet */
  add(id: number, resetByUs: boolean): void {
    const ring = this.#roomy();
    ring[this.#next] = resetByUs ? -id : id;
    this.#next = (this.#next + 1) % remembered;
  }

  #roomy(): Int32Array {
    const ring = this.#ring;
    if (ring !== undefined && this.#next < ring.length) return ring;
    const larger = new Int32Array(ring === undefined ? rememberedAtStart : 2 * ring.length);
    if (ring !== undefined) larger.set(ring);
    this.#ring = larger;
    return larger;
  }

  kindOf(id: number): ClosedKind {
    if (this.#ring === undefined) return "unknown";
    if (this.#ring.includes(-id)) return "reset";
    return this.#ring.includes(id) ? "ended" : "unknown";
  }
}
