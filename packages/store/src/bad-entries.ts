import type { GroupId } from "raft-ts";
import { type EntryRange, without } from "./entry-ranges.ts";

/** Ranges remembered of a segment's group before all of it counts as bad. */
const rangesKept = 256;

/** Entries that were found corrupt when they were read, by segment. Forgotten with the process: a read finds them again. */
export class BadEntries {
  readonly #ranges = new Map<string, readonly EntryRange[]>();

  add(segment: number, group: GroupId, index: number): void {
    const key = keyOf(segment, group);
    const known = [...without(this.#ranges.get(key) ?? [], index, index), { from: index, to: index }].sort(
      (a, b) => a.from - b.from,
    );
    this.#ranges.set(key, known.length > rangesKept ? [{ from: 0, to: Number.MAX_SAFE_INTEGER }] : known);
  }

  of(segment: number, group: GroupId): readonly EntryRange[] {
    return this.#ranges.get(keyOf(segment, group)) ?? [];
  }

  has(segment: number, group: GroupId, index: number): boolean {
    return this.of(segment, group).some(({ from, to }) => index >= from && index <= to);
  }

  /** The segment's number will be used for another, or never again. */
  forget(segment: number): void {
    for (const key of this.#ranges.keys()) if (key.startsWith(`${segment}/`)) this.#ranges.delete(key);
  }
}

function keyOf(segment: number, group: GroupId): string {
  return `${segment}/${group}`;
}
