import { assert } from "@saturnmq/kit";
import type { Damage, GroupId, HardState, LogView } from "raft-ts";
import { Configurations } from "./configurations.ts";
import { EntryPlaces } from "./entry-places.ts";
import type { RestartFact } from "./restart-fact.ts";
import type { GroupState } from "./state-frame.ts";
import { TermRuns } from "./term-runs.ts";

/** A group's state while it is kept up to date. */
type Placed = {
  -readonly [Field in keyof Omit<GroupState, "group" | "checkpointIndex" | "checkpointTerm">]: GroupState[Field];
};

/** What the store keeps in memory of one group: the log as the core sees it, and as far as frames have been placed. */
export class GroupLog {
  readonly group: GroupId;
  readonly view: LogView;
  readonly places = new EntryPlaces();
  readonly terms = new TermRuns();
  readonly configurations = new Configurations();
  hardState: HardState = { term: 0, vote: 0 };
  damage: Damage = "no";
  /** Entries from here on are kept. At the view's first index, but below it after a restart from a checkpoint. */
  floor = 1;
  /** Last index the driver has applied in this process's life. */
  appliedTo = 0;
  /** Floor that is on disk. */
  durableFloor = 1;
  /** Entries from here on are needed again in this life, though the floor had been above; Infinity when nothing was taken back. */
  keptFrom = Number.POSITIVE_INFINITY;
  /** Last index that is on disk. */
  durableLast = 0;
  /** Lowest index that is staged; Infinity when none. */
  stagedFrom = Number.POSITIVE_INFINITY;
  /** Lowest index from which on entries are discarded in the stage; Infinity when none is. */
  stagedTruncation = Number.POSITIVE_INFINITY;
  /** A staged restart leaves a gap after this index; Infinity when none is staged. */
  stagedGap = Number.POSITIVE_INFINITY;
  /** Place of the staged hard state's head in the stage, from the start of its entries; -1 when none is staged. */
  stagedHardState = -1;
  /** Row in the staged frame's shard list; -1 when the group is not in it. */
  stagedRow = -1;
  /** Payload bytes of an entry that `places` does not hold. */
  sealedBytes: (index: number) => number = () => 0;
  /** What a state frame would say at the current end of the placed frames. */
  readonly #placed: Placed = {
    lastIndex: 0,
    lastTerm: 0,
    hardTerm: 0,
    vote: 0,
    logStart: 1,
    startTerm: 0,
    floor: 1,
    damage: "no",
    configuration: undefined,
  };

  constructor(group: GroupId) {
    this.group = group;
    const { terms, places, configurations } = this;
    const bytesAt = (index: number): number | undefined => {
      if (index < terms.first || index > terms.last) return undefined;
      return places.has(index) ? places.length(index) : this.sealedBytes(index);
    };
    this.view = {
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
      bytesAt,
      configurationAt: (index = terms.last) => configurations.find(index)?.at,
    };
  }

  /** True when the group has left any trace. */
  get exists(): boolean {
    const { terms, hardState, configurations, damage } = this;
    const entries = terms.last > 0 || terms.first > 1;
    return (
      entries || hardState.term > 0 || hardState.vote > 0 || configurations.newest !== undefined || damage !== "no"
    );
  }

  /** Adds an entry; `segment` 0 while it is staged. */
  push(term: number, segment: number, offset: number, length: number): void {
    this.terms.push(term);
    this.places.push(term, segment, offset, length);
  }

  /** Discards entries from `index` on. */
  truncate(index: number): void {
    this.terms.truncate(index);
    this.places.truncate(index);
    this.configurations.truncate(index);
  }

  /** Entries from here on are to be there. */
  get neededFrom(): number {
    return Math.min(this.floor, this.keptFrom);
  }

  /** Segments whose entries all lie below may be freed. */
  get freedBelow(): number {
    return Math.min(this.durableFloor, this.keptFrom);
  }

  /** Moves the log start up. Entries below stay readable until their segment is freed: a restart from a checkpoint may need them. */
  trim(index: number): void {
    this.floor = Math.max(this.floor, index);
    if (index <= this.terms.first) return;
    this.terms.trim(index);
    this.configurations.trim(index);
  }

  /** Lets the log begin after an entry whose state is there as a checkpoint. The floor stays: what is below may be filled in later. */
  restart(fact: RestartFact): void {
    const { index, term, continues, keptTo, configuration } = fact;
    this.appliedTo = Math.max(this.appliedTo, index);
    if (configuration !== undefined) this.configurations.rebase(index, configuration);
    if (continues) {
      this.terms.trim(index + 1);
      this.configurations.trim(index + 1);
      return;
    }
    this.terms.restart(index + 1, term);
    this.places.restart(index + 1, keptTo);
    this.configurations.truncate(index + 1);
    this.configurations.trim(index + 1);
  }

  /** Takes note that all that is staged has a place now: `base` is where the frame's entries start in `segment`. */
  settle(segment: number, base: number): void {
    if (this.stagedFrom !== Number.POSITIVE_INFINITY) this.places.settle(this.stagedFrom, segment, base);
    this.stagedFrom = Number.POSITIVE_INFINITY;
    this.stagedTruncation = Number.POSITIVE_INFINITY;
    this.stagedGap = Number.POSITIVE_INFINITY;
    this.stagedHardState = -1;
    this.stagedRow = -1;
    this.markPlaced();
  }

  /** Takes the present for what the frames placed so far say. */
  markPlaced(): void {
    const placed = this.#placed;
    placed.lastIndex = this.terms.last;
    placed.lastTerm = this.terms.lastTerm;
    placed.hardTerm = this.hardState.term;
    placed.vote = this.hardState.vote;
    placed.logStart = this.terms.first;
    placed.startTerm = this.terms.at(this.terms.first - 1) ?? 0;
    placed.floor = this.floor;
    placed.damage = this.damage;
    placed.configuration = this.configurations.newest;
  }

  /** For a state frame. */
  placedState(checkpoint: { readonly index: number; readonly term: number } | undefined): GroupState {
    return {
      group: this.group,
      ...this.#placed,
      checkpointIndex: checkpoint?.index ?? 0,
      checkpointTerm: checkpoint?.term ?? 0,
    };
  }

  /** Begins from a state frame: entries up to its last one lie in older segments. */
  restore(state: GroupState): void {
    assert(state.group === this.group, "a state belongs to its group");
    this.hardState = { term: state.hardTerm, vote: state.vote };
    this.floor = state.floor;
    this.damage = state.damage;
    if (state.configuration !== undefined) this.configurations.add(state.configuration);
  }
}
