import { assert } from "@saturnmq/kit";
import type { ReplicaId, SnapshotHead } from "../ports.ts";
import { configure } from "./configure.ts";
import { acceptLeader, acknowledge, advanceCommit } from "./follower.ts";
import { healIfWhole } from "./heal.ts";
import type { SnapshotOffer } from "./messages.ts";
import { type Draft, leaderOf, termAt } from "./state.ts";

/** A leader offers a state in place of entries that it no longer holds (Raft paper §7). */
export function takeSnapshotOffer(draft: Draft, from: ReplicaId, { snapshot }: SnapshotOffer): void {
  if (!acceptLeader(draft, from)) return;
  const { state, effects } = draft;
  if (snapshot.index <= state.commit) {
    acknowledge(draft, from, state.commit);
  } else if (termAt(draft, snapshot.index) === snapshot.term) {
    // The log has all that the snapshot stands for, and it is committed.
    advanceCommit(draft, snapshot.index);
    acknowledge(draft, from, snapshot.index);
  } else {
    effects.push({ kind: "fetchSnapshot", from, snapshot });
  }
}

/** A snapshot is here and durable: the log begins after it. One that the log has caught up with meanwhile changes nothing. */
export function noteRestored(draft: Draft, snapshot: SnapshotHead): void {
  const { state, effects } = draft;
  const { index, term, configuration } = snapshot;
  if (index <= state.commit) return;
  const stands = termAt(draft, index) === term;
  assert(stands || state.role.kind !== "leader", "a leader lacks an entry that is committed");
  if (!stands) {
    state.truncations += 1;
    state.durableIndex = Math.min(state.durableIndex, index);
    state.lastIndex = index;
    state.lastTerm = term;
  }
  state.commit = index;
  effects.push({ kind: "restartLog", snapshot });
  if (!stands || state.configurationIndex <= index) configure(draft, configuration);
  healIfWhole(draft);
  const leader = leaderOf(state);
  if (leader !== 0 && leader !== state.self) acknowledge(draft, leader, index);
}
