import type { Segment } from "./segment.ts";

/** Stretches that are kept, and the size of each. */
const slotsMax = 32;
const slotBytes = 256 * 1024;

/** Room for one stretch. */
type Slot = {
  readonly bytes: Buffer;
  segment: Segment;
  from: number;
  /** Where what is being read will end, and where what was read ends: at `from` until it was. */
  until: number;
  to: number;
  read: Promise<void>;
  /** The segment was sealed before: nothing was written to it since. */
  isFinal: boolean;
  /** Those who wait for it or take from it: until they are done it is not used anew. */
  users: number;
};

/** Bytes [from, from + count) of a segment, the first of them at `start` of `bytes`. */
export type Stretch = { readonly bytes: Buffer; readonly start: number; readonly count: number };

/**
 * What was read from segments lately, and along with it what lies behind: a consumer that works off a backlog asks for that next, and others for the
 * records of their queues between. Takes at most 8 MiB, and that only while old records are read.
 *
 * A stretch may hold what was not written yet when it was read, so what is found in it counts only when its check holds.
 */
export class ReadAhead {
  readonly #slots: Slot[] = [];
  #next = 0;
  /** Where the last lookup found something: the next one is likely to find it there too. */
  #last = 0;

  /** Where the bytes of [from, to) lie; `undefined` when they were not read lately. Good for this turn. */
  find(segment: Segment, from: number, to: number): Stretch | undefined {
    for (let tried = 0; tried < this.#slots.length; tried += 1) {
      const row = (this.#last + tried) % this.#slots.length;
      const slot = this.#slots[row];
      if (slot?.segment !== segment || from < slot.from || to > slot.to) continue;
      this.#last = row;
      return { bytes: slot.bytes, start: from - slot.from, count: to - from };
    }
    return undefined;
  }

  /**
   * Reads [from, to), and on behind it if several records are wanted or somebody goes on reading, and has `use` take what it needs: fewer bytes than asked
   * for at the end of what is written. Who wants what is being read already waits for that, if it cannot be older than what is asked for.
   */
  async read<T>(segment: Segment, from: number, to: number, records: number, use: (read: Stretch) => T): Promise<T> {
    const slot = this.#reading(segment, from, to) ?? this.#begin(segment, from, to, records);
    if (slot === undefined) {
      const bytes = Buffer.allocUnsafeSlow(to - from);
      const count = await segment.reading((file) => file.read(bytes, 0, bytes.length, from));
      return use({ bytes, start: 0, count });
    }
    slot.users += 1;
    try {
      await slot.read;
      return use({ bytes: slot.bytes, start: from - slot.from, count: Math.max(0, Math.min(to, slot.to) - from) });
    } finally {
      slot.users -= 1;
    }
  }

  #reading(segment: Segment, from: number, to: number): Slot | undefined {
    return this.#slots.find(
      (slot) => slot.users > 0 && slot.isFinal && slot.segment === segment && from >= slot.from && to <= slot.until,
    );
  }

  /** Begins to read a stretch into the slot that was filled longest ago. `undefined`: none is free, or it is too long for one. */
  #begin(segment: Segment, from: number, to: number, records: number): Slot | undefined {
    const goesOn = records > 1 || this.#slots.some((other) => other.segment === segment && follows(other, from));
    const slot = to - from > slotBytes ? undefined : this.#freeSlot(segment);
    if (slot === undefined) return undefined;
    const until = goesOn ? Math.max(to, Math.min(segment.end, from + slotBytes)) : to;
    Object.assign(slot, { segment, from, until, to: from, isFinal: segment.summary !== undefined });
    slot.read = segment.reading(async (file) => {
      slot.to = from + (await file.read(slot.bytes, 0, until - from, from));
    });
    return slot;
  }

  #freeSlot(segment: Segment): Slot | undefined {
    for (let tried = 0; tried < slotsMax; tried += 1) {
      const row = this.#next;
      this.#next = (row + 1) % slotsMax;
      const slot = this.#slots[row];
      if (slot?.users === 0) return slot;
      if (slot !== undefined) continue;
      const made = { bytes: Buffer.allocUnsafeSlow(slotBytes), segment, ...nothing, read: Promise.resolve() };
      this.#slots[row] = made;
      return made;
    }
    return undefined;
  }

  /** Forgets what was read around `at`: the disk may hold something else by now. */
  forget(segment: Segment, at: number): void {
    for (const slot of this.#slots)
      if (slot.segment === segment && slot.from <= at && at < slot.to) slot.to = slot.from;
  }
}

const nothing = { from: 0, until: 0, to: 0, isFinal: false, users: 0 };

/** Whether a read from there goes on where a stretch ended: near its end, as records of other queues lie between. */
function follows({ from, until }: Slot, next: number): boolean {
  return next >= from && next <= until + slotBytes;
}
