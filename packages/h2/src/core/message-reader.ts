/** `partial`: all bytes are taken, the message goes on. `message`: one is there. The others end the call; `noRoom`: more would have to be kept than may be. */
export type ReadOutcome = "partial" | "message" | "tooLarge" | "badFlag" | "noRoom";

const prefixBytes = 5;
/** Room made for a message of which little is there yet. */
const roomAtStart = 4_096;
const nothing = Buffer.alloc(0);

/**
 * Finds gRPC messages in the bytes of DATA frames (gRPC over HTTP/2, "Length-Prefixed-Message"). One that lies within a frame is read where it lies;
 * one that is spread over several is put together, in room that grows with what has arrived, never with what was announced.
 */
export class MessageReader {
  outcome: ReadOutcome = "partial";
  /** The message found: `bytes[start, start + length)`. */
  bytes: Buffer = nothing;
  start = 0;
  length = 0;
  compressed = false;
  /** The message's bytes are its own, not those of a frame. */
  owned = false;
  /** Bytes held of a message that is not complete. */
  heldBytes = 0;
  #prefixUsed = 0;
  #room: Buffer = nothing;

  /** Forgets everything, for the next stream. */
  clear(): void {
    this.outcome = "partial";
    this.bytes = nothing;
    this.#room = nothing;
    this.heldBytes = 0;
    this.#prefixUsed = 0;
    this.length = 0;
  }

  /** The message found has been taken: a call that waits long for its answer must not keep what was read with it. */
  drop(): void {
    this.bytes = nothing;
  }

  /** Memory held for a message that is not complete: at most twice its bytes. */
  get roomBytes(): number {
    return this.#room.length;
  }

  /** A message has begun and is not complete. */
  get within(): boolean {
    return this.#prefixUsed > 0;
  }

  /**
   * Reads on in `bytes[at, end)`; answers how far it came.
   *
   * @param sizeMax messages above it are refused by their announced length, bytes
   * @param roomMax how much more room may be made for what has to be kept, bytes
   */
  next(bytes: Buffer, at: number, end: number, sizeMax: number, roomMax: number): number {
    const from = this.#readPrefix(bytes, at, end);
    if (this.#prefixUsed < prefixBytes) {
      this.outcome = "partial";
      return end;
    }
    if (this.length > sizeMax) {
      this.outcome = "tooLarge";
      return end;
    }
    if (this.outcome === "badFlag") return end;
    return this.heldBytes === 0 && end - from >= this.length
      ? this.#inPlace(bytes, from)
      : this.#hold(bytes, from, end, roomMax);
  }

  #readPrefix(bytes: Buffer, at: number, end: number): number {
    let from = at;
    for (; this.#prefixUsed < prefixBytes && from < end; this.#prefixUsed += 1, from += 1) {
      const octet = bytes[from] ?? 0;
      if (this.#prefixUsed === 0) {
        this.outcome = octet > 1 ? "badFlag" : "partial";
        this.compressed = octet === 1;
        this.length = 0;
      } else this.length = this.length * 256 + octet;
    }
    return from;
  }

  #inPlace(bytes: Buffer, from: number): number {
    this.outcome = "message";
    this.owned = false;
    this.bytes = bytes;
    this.start = from;
    this.#prefixUsed = 0;
    return from + this.length;
  }

  #hold(bytes: Buffer, from: number, end: number, roomMax: number): number {
    const until = Math.min(end, from + this.length - this.heldBytes);
    const held = this.heldBytes + until - from;
    if (held > this.#room.length) {
      const size = Math.min(this.length, Math.max(roomAtStart, 2 * held));
      if (size - this.#room.length > roomMax) {
        this.outcome = "noRoom";
        return end;
      }
      const larger = Buffer.allocUnsafeSlow(size);
      this.#room.copy(larger, 0, 0, this.heldBytes);
      this.#room = larger;
    }
    bytes.copy(this.#room, this.heldBytes, from, until);
    this.heldBytes = held;
    this.outcome = held === this.length ? "message" : "partial";
    if (this.outcome === "message") this.#complete();
    return until;
  }

  #complete(): void {
    this.owned = true;
    this.bytes = this.#room;
    this.start = 0;
    this.#room = nothing;
    this.heldBytes = 0;
    this.#prefixUsed = 0;
  }
}
