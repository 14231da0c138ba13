import { assert, defined } from "@saturnmq/kit";

/** Room for bytes on their way out. `used` bytes of it are filled. */
export type Chunk = { readonly bytes: Buffer; used: number };

const smallBytes = 32 * 1_024;
const largeBytes = 256 * 1_024;
/** Chunks of each size that wait for their next use. */
const sparesMax = 64;

/** Lends chunks to the connections of one server, so that an idle connection holds none. */
export class ChunkPool {
  readonly #small: Chunk[] = [];
  readonly #large: Chunk[] = [];

  take(large: boolean): Chunk {
    const spare = (large ? this.#large : this.#small).pop();
    if (spare !== undefined) return spare;
    return { bytes: Buffer.allocUnsafeSlow(large ? largeBytes : smallBytes), used: 0 };
  }

  /** Takes a chunk back whose bytes nobody needs any more. */
  give(chunk: Chunk): void {
    const spares = chunk.bytes.length === largeBytes ? this.#large : this.#small;
    chunk.used = 0;
    if (spares.length < sparesMax) spares.push(chunk);
  }
}

/** The bytes that one connection is about to send, in order. Whoever writes reserves room, fills it, and is done. */
export class Output {
  /** Where the last `reserve` made room. */
  bytes: Buffer = nothing;
  readonly #pool: ChunkPool;
  #chunks: Chunk[] = [];
  #last: Chunk | undefined;
  #closedBytes = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** Bytes that wait for `take`. */
  get length(): number {
    return this.#closedBytes + (this.#last?.used ?? 0);
  }

  /** Makes room for `size` bytes in one piece, at most 32 KiB; answers where in `bytes` they go. All of them count as written. */
  reserve(size: number): number {
    let chunk = this.#last;
    if (chunk === undefined || chunk.bytes.length - chunk.used < size) chunk = this.#next(size);
    const at = chunk.used;
    chunk.used += size;
    return at;
  }

  /** Hands over what was written; the taker gives each chunk back to the pool. */
  take(): readonly Chunk[] {
    const taken = this.#chunks;
    this.#chunks = [];
    this.#last = undefined;
    this.bytes = nothing;
    this.#closedBytes = 0;
    return taken;
  }

  /** Drops what was written. */
  drop(): void {
    for (const chunk of this.take()) this.#pool.give(chunk);
  }

  #next(size: number): Chunk {
    assert(size <= smallBytes, "a piece of output is larger than a chunk");
    this.#closedBytes += this.#last?.used ?? 0;
    // The first chunk is small, for the many connections that say little; whoever fills it goes on in large ones.
    const chunk = this.#pool.take(this.#last !== undefined);
    this.#chunks.push(chunk);
    this.#last = chunk;
    this.bytes = chunk.bytes;
    return chunk;
  }
}

const nothing = Buffer.alloc(0);
type Copy = (this: Uint8Array, target: Uint8Array, at: number, start: number, end: number) => number;
const { copy } = Buffer.prototype as { readonly copy: Copy };
/** Below this a loop is cheaper than the call that copies. */
const loopBytesMax = 48;

/** Copies `source[start, end)` to `target` at `at`. */
export function copyBytes(source: Uint8Array, start: number, end: number, target: Buffer, at: number): void {
  const size = end - start;
  if (size > loopBytesMax) {
    // Half the speed of `set(subarray)`, and no object for each message.
    copy.call(source, target, at, start, end);
    return;
  }
  for (let n = 0; n < size; n += 1) target[at + n] = defined(source[start + n], "byte to copy");
}

/** Writes an unsigned 32-bit number, big-endian. */
export function putUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** Writes the nine bytes that begin a frame. */
export function putFrameHead(
  target: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  target[at + 4] = flags;
  putUint32(target, at + 5, stream);
}
