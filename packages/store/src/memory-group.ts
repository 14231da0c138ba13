import type { Damage, EntryKind, HardState, LogView, Payload, Position } from "raft-ts";
import { Configurations } from "./configurations.ts";
import { TermRuns } from "./term-runs.ts";

export type MemoryEntry = {
  readonly term: number;
  readonly kind: EntryKind;
  readonly payload: Payload;
  readonly position: Position;
};

/** One group's log in a `MemoryLogStore`: what `view` shows, or what a crash leaves. */
export type MemoryGroup = {
  readonly terms: TermRuns;
  readonly configurations: Configurations;
  /** Entries by index, staged ones included. */
  readonly entries: Map<number, MemoryEntry>;
  /** Entries that were filled in. */
  readonly filled: Map<number, MemoryEntry>;
  hardState: HardState;
  damage: Damage;
  floor: number;
  appliedTo: number;
  readonly view: LogView;
};

export function newGroup(): MemoryGroup {
  return withView({
    terms: new TermRuns(),
    configurations: new Configurations(),
    entries: new Map(),
    filled: new Map(),
    hardState: { term: 0, vote: 0 },
    damage: "no",
    floor: 1,
    appliedTo: 0,
  });
}

export function copyOf(held: MemoryGroup): MemoryGroup {
  return withView({
    ...held,
    terms: held.terms.copy(),
    configurations: held.configurations.copy(),
    entries: new Map(held.entries),
    filled: new Map(held.filled),
    appliedTo: 0,
  });
}

function withView(group: Omit<MemoryGroup, "view">): MemoryGroup {
  const { terms, entries, configurations } = group;
  const view: LogView = {
    get firstIndex() {
      return terms.first;
    },
    get lastIndex() {
      return terms.last;
    },
    get lastTerm() {
      return terms.lastTerm;
    },
    termAt: (index) => terms.at(index),
    bytesAt: (index) => (index < terms.first ? undefined : entries.get(index)?.payload.length),
    configurationAt: (index = terms.last) => configurations.find(index)?.at,
  };
  return { ...group, view };
}
