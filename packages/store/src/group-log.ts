import { assert } from "@saturnmq/kit";
import type { GroupId, HardState, LogView } from "raft-ts";
import { EntryPlaces } from "./entry-places.ts";
import type { GroupState } from "./state-frame.ts";
import { TermRuns } from "./term-runs.ts";

/** What the store keeps in memory of one group: the log as the core sees it, and as far as frames have been placed. */
export class GroupLog {
  readonly group: GroupId;
  readonly view: LogView;
  readonly places = new EntryPlaces();
  readonly terms = new TermRuns();
  hardState: HardState = { term: 0, vote: 0 };
  /** Last index the driver has applied in this process's life. */
  appliedTo = 0;
  /** Log start that is on disk: segments may be freed by it. */
  durableLogStart = 1;
  /** Lowest index that is staged; Infinity when none. */
  stagedFrom = Number.POSITIVE_INFINITY;
  /** Lowest index from which on entries are discarded in the stage; Infinity when none is. */
  stagedTruncation = Number.POSITIVE_INFINITY;
  /** Place of the staged hard state's head in the stage, from the start of its entries; -1 when none is staged. */
  stagedHardState = -1;
  /** Row in the staged frame's shard list; -1 when the group is not in it. */
  stagedRow = -1;
  /** What a state frame would say at the current end of the placed frames. */
  #placed = { lastIndex: 0, lastTerm: 0, hardTerm: 0, vote: 0, logStart: 1, startTerm: 0 };

  constructor(group: GroupId) {
    this.group = group;
    const { terms } = this;
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
    };
  }

  /** True when the group has left any trace. */
  get exists(): boolean {
    return this.terms.last > 0 || this.terms.first > 1 || this.hardState.term > 0 || this.hardState.vote > 0;
  }

  /** Adds an entry; `segment` 0 while it is staged. */
  push(term: number, segment: number, offset: number, length: number): void {
    this.terms.push(term);
    this.places.push(segment, offset, length);
  }

  /** Discards entries from `index` on. */
  truncate(index: number): void {
    this.terms.truncate(index);
    this.places.truncate(index);
  }

  /** Moves the log start up. Entries below stay readable until their segment is freed: a restart from a checkpoint may need them. */
  trim(index: number): void {
    this.terms.trim(index);
  }

  /** Takes note that all that is staged has a place now: `base` is where the frame's entries start in `segment`. */
  settle(segment: number, base: number): void {
    if (this.stagedFrom !== Number.POSITIVE_INFINITY) this.places.settle(this.stagedFrom, segment, base);
    this.stagedFrom = Number.POSITIVE_INFINITY;
    this.stagedTruncation = Number.POSITIVE_INFINITY;
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
    this.durableLogStart = state.logStart;
  }
}
