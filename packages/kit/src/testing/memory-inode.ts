import type { SeededRandom } from "../random.ts";

const sectorBytes = 512;

type Change =
  | { readonly kind: "write"; readonly bytes: Uint8Array; readonly position: number }
  | { readonly kind: "truncate"; readonly length: number };

/** One file's content: what readers see, what is durable, and the changes between the two, in order. */
export class MemoryInode {
  #live: Uint8Array;
  #durable: Uint8Array;
  #pending: Change[] = [];

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.#live = copied(bytes);
    this.#durable = copied(bytes);
  }

  /** As readers see it. */
  get bytes(): Uint8Array {
    return this.#live;
  }

  write(bytes: Uint8Array, position: number): void {
    this.#live = written(this.#live, bytes, position);
    this.#pending.push({ kind: "write", bytes, position });
  }

  truncate(length: number): void {
    this.#live = resized(this.#live, length);
    this.#pending.push({ kind: "truncate", length });
  }

  /** Turns one bit over where it is, in what is durable too. */
  flipBit(byte: number, bit: number): void {
    for (const bytes of [this.#live, this.#durable])
      if (byte < bytes.length) bytes[byte] = (bytes[byte] ?? 0) ^ (1 << bit);
  }

  /** Makes all changes durable. */
  sync(): void {
    for (const change of this.#pending) this.#apply(change);
    this.#pending = [];
  }

  /** What the machine finds after a crash: the durable bytes and, with `random`, some of the changes since. */
  crash(random: SeededRandom | undefined): void {
    for (const change of this.#pending) {
      if (random === undefined) continue;
      if (change.kind === "truncate") {
        if (random.below(2) === 0) this.#apply(change);
        continue;
      }
      for (const part of survivingParts(change.bytes.length, random))
        this.#apply({
          ...change,
          bytes: change.bytes.subarray(part.from, part.to),
          position: change.position + part.from,
        });
    }
    this.#pending = [];
    this.#live = copied(this.#durable);
  }

  #apply(change: Change): void {
    this.#durable =
      change.kind === "write"
        ? written(this.#durable, change.bytes, change.position)
        : resized(this.#durable, change.length);
  }
}

/** All, nothing, a prefix, or any subset of a write's sectors. */
function survivingParts(length: number, random: SeededRandom): readonly { from: number; to: number }[] {
  const sectors = Math.ceil(length / sectorBytes);
  const part = (sector: number): { from: number; to: number } => ({
    from: sector * sectorBytes,
    to: Math.min(length, (sector + 1) * sectorBytes),
  });
  switch (random.below(4)) {
    case 0:
      return [{ from: 0, to: length }];
    case 1:
      return [];
    case 2:
      return [{ from: 0, to: Math.min(length, random.below(sectors + 1) * sectorBytes) }];
    default:
      return Array.from({ length: sectors }, (_, sector) => part(sector)).filter(() => random.below(2) === 0);
  }
}

function written(target: Uint8Array, bytes: Uint8Array, position: number): Uint8Array {
  const fitting = position + bytes.length > target.length ? resized(target, position + bytes.length) : target;
  fitting.set(bytes, position);
  return fitting;
}

/** `bytes`, which have their memory to themselves, with another length; what is new is zero. */
function resized(bytes: Uint8Array, length: number): Uint8Array {
  if (length <= bytes.buffer.byteLength) {
    const next = new Uint8Array(bytes.buffer, 0, length);
    if (length > bytes.length) next.fill(0, bytes.length);
    return next;
  }
  // Twice as much as is there, so that a file that grows write by write is not copied by each.
  const next = new Uint8Array(new ArrayBuffer(Math.max(length, 2 * bytes.length)), 0, length);
  next.set(bytes);
  return next;
}

function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
