import type { GroupId } from "../ports.ts";
import type { LedGroup, PairHeartbeat } from "./messages.ts";

/** What a heartbeat says of the groups that its sender leads: all of them, or what changed since the one before. */
export type LedChange = Pick<PairHeartbeat, "base" | "version" | "hash" | "led" | "ended">;

const noRows: readonly LedGroup[] = [];
const noGroups: readonly GroupId[] = [];

/** What one peer was told is led here, and so what the next heartbeat must say. */
export class ToldGroups {
  #rows = noRows;
  #hash = hashOf(noRows);
  #version: number;
  /** Nothing was told yet, or the peer has lost track. */
  #anew = true;

  /** @param firstVersion where versions begin: elsewhere in every life of a process, so that a peer never takes one for that of an earlier life */
  constructor(firstVersion: number) {
    this.#version = firstVersion;
  }

  /** The peer does not have what was told: all is to be told again. */
  forget(): void {
    this.#anew = true;
  }

  /** What to tell now, so that the peer knows of exactly these groups. */
  tell(led: readonly LedGroup[]): LedChange {
    const before = this.#rows;
    const base = this.#anew ? 0 : this.#version;
    this.#version += 1;
    const version = this.#version;
    // As it is ten times a second while nothing happens.
    if (base !== 0 && led.length === before.length && led.every((row, at) => isSame(before[at], row)))
      return { base, version, hash: this.#hash, led: noRows, ended: noGroups };
    this.#rows = led;
    this.#hash = hashOf(led);
    this.#anew = false;
    return { base, version, hash: this.#hash, ...(base === 0 ? { led, ended: noGroups } : changes(before, led)) };
  }
}

/** What one peer says that it leads. */
export class HeardGroups {
  readonly #table = new Map<GroupId, LedGroup>();
  #version = 0;
  #hash = 0;

  get groups(): Iterable<LedGroup> {
    return this.#table.values();
  }

  /** Takes what changed. False: it builds on something that is not known here, or does not add up; nothing that was said may be believed. */
  take({ base, version, hash, led, ended }: LedChange): boolean {
    if (base === 0) this.#table.clear();
    else if (base !== this.#version) return false;
    const isNews = base === 0 || led.length + ended.length > 0;
    for (const group of ended) this.#table.delete(group);
    for (const row of led) this.#table.set(row.group, row);
    if (isNews) this.#hash = hashOf(this.#table.values());
    const adds = this.#hash === hash;
    this.#version = adds ? version : 0;
    return adds;
  }
}

/** A 32-bit hash over all rows, whatever their order. */
export function hashOf(rows: Iterable<LedGroup>): number {
  let sum = 0;
  for (const { group, term, commit } of rows) {
    let row = 0x811c9dc5;
    for (const value of [group, term, Math.floor(term / 2 ** 32), commit, Math.floor(commit / 2 ** 32)])
      row = Math.imul(row ^ (value | 0), 0x01000193) >>> 0;
    sum = (sum + row) >>> 0;
  }
  return sum;
}

function changes(before: readonly LedGroup[], now: readonly LedGroup[]): Pick<LedChange, "led" | "ended"> {
  const known = new Map(before.map((row) => [row.group, row]));
  const led = now.filter((row) => !isSame(known.get(row.group), row));
  const still = new Set(now.map(({ group }) => group));
  return { led, ended: [...known.keys()].filter((group) => !still.has(group)) };
}

function isSame(before: LedGroup | undefined, now: LedGroup): boolean {
  return before?.group === now.group && before.term === now.term && before.commit === now.commit;
}
