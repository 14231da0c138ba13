import { assert } from "@saturnmq/kit";
import type { Configuration, HardState, LogView, ReplicaId } from "../ports.ts";
import type { Effect } from "./effect.ts";
import type { Progress } from "./progress.ts";
import { quorumValue, votersOf } from "./quorum.ts";
import { raftTimes } from "./times.ts";

export type Follower = { readonly kind: "follower"; readonly leader: ReplicaId };
/** Asks whether it could win; its term is not raised yet. */
export type PreCandidate = { readonly kind: "preCandidate"; readonly votes: Map<ReplicaId, boolean> };
/** Its own vote is among `votes` only once it is durable. */
export type Candidate = { readonly kind: "candidate"; readonly votes: Map<ReplicaId, boolean> };
/** `progress` has every voter but itself. */
export type Leader = { readonly kind: "leader"; readonly progress: ReadonlyMap<ReplicaId, Progress> };
export type Role = Follower | PreCandidate | Candidate | Leader;

/**
 * One replica of one group. Only `step` changes it; whoever holds it may read it between steps.
 *
 * Kept at all times: commit and term never go back; `durableIndex` <= `lastIndex`; `commit` <= `lastIndex`.
 */
export type RaftState = {
  readonly self: ReplicaId;
  configuration: Configuration;
  role: Role;
  /** As last asked to be persisted. */
  hardState: HardState;
  /** Term that is known to be durable. */
  durableTerm: number;
  /** The log's end including what this step appends, which the log view shows only afterwards. */
  lastIndex: number;
  lastTerm: number;
  durableIndex: number;
  /** Appends that discarded something: tells whether a finished write still stands. */
  truncations: number;
  commit: number;
  nowMs: number;
  /** When a leader was last heard; `-Infinity` for never. Outlives terms: the lease that it granted does too. */
  heardMs: number;
  /** Until then this replica helps nobody to be elected. */
  quietUntilMs: number;
  /** When to campaign if nothing happens before. Of no meaning to a leader. */
  campaignAtMs: number;
  electionJitterMs: number;
  retryDelayMs: number;
};

/** What one step works on. */
export type Draft = { readonly state: RaftState; readonly log: LogView; readonly effects: Effect[] };

export type InitialState = {
  readonly self: ReplicaId;
  readonly configuration: Configuration;
  /** What the log kept; all of it is durable. */
  readonly hardState: HardState;
  readonly log: LogView;
  /** Entries up to here were known to be committed before the start. */
  readonly commit: number;
  readonly nowMs: number;
  readonly electionJitterMs: number;
  readonly retryDelayMs: number;
};

/** A replica that has just started. A sole voter may campaign at its first tick; any other waits as long as a lease may still hold. */
export function initialState(options: InitialState): RaftState {
  const { self, configuration, log, commit, nowMs, electionJitterMs, retryDelayMs } = options;
  assert(votersOf(configuration).includes(self), "a replica that does not vote was started as a voter");
  assert(commit <= log.lastIndex, "the log ends before entries that are known to be committed");
  assert(log.lastTerm <= options.hardState.term, "the log has an entry of a term after the durable one");
  const sole = votersOf(configuration).length === 1;
  return {
    self,
    configuration,
    role: { kind: "follower", leader: 0 },
    hardState: options.hardState,
    durableTerm: options.hardState.term,
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    durableIndex: log.lastIndex,
    truncations: 0,
    commit,
    nowMs,
    heardMs: -Infinity,
    quietUntilMs: nowMs + raftTimes.startQuietMs,
    campaignAtMs: sole ? nowMs : nowMs + raftTimes.leaderQuietMs + electionJitterMs,
    electionJitterMs,
    retryDelayMs,
  };
}

/** When the next tick is due; `Infinity` for never. Every step may change it. */
export function nextTickMs(state: RaftState): number {
  if (state.role.kind !== "leader") return state.campaignAtMs;
  return heardByQuorumMs(state, state.role) + raftTimes.leaderQuietMs;
}

/** The leader of the current term; 0 when unknown. */
export function leaderOf(state: RaftState): ReplicaId {
  if (state.role.kind === "leader") return state.self;
  return state.role.kind === "follower" ? state.role.leader : 0;
}

/** Whether this replica follows `leader` in exactly `term`, durably: only then may its answer to a heartbeat count. */
export function follows(state: RaftState, leader: ReplicaId, term: number): boolean {
  const { role, hardState, durableTerm } = state;
  return role.kind === "follower" && role.leader === leader && hardState.term === term && durableTerm === term;
}

/**
 * Until when nobody else can have been elected: `leaseMs` after the sending of heartbeats that a majority answered. `-Infinity` without a lease.
 * What it answers is void as soon as this replica stops to lead.
 */
export function leaseUntilMs(state: RaftState): number {
  const { role, self } = state;
  if (role.kind !== "leader") return -Infinity;
  const contact = quorumValue(state.configuration, (voter) =>
    voter === self ? Infinity : (role.progress.get(voter)?.contactMs ?? -Infinity),
  );
  return contact + raftTimes.leaseMs;
}

/** When a majority, this leader included, was last heard. */
function heardByQuorumMs(state: RaftState, role: Leader): number {
  return quorumValue(state.configuration, (voter) =>
    voter === state.self ? Infinity : (role.progress.get(voter)?.heardMs ?? -Infinity),
  );
}

/** Term of the entry at `index`, entries appended earlier in this step included. */
export function termAt({ state, log }: Draft, index: number): number | undefined {
  if (index === state.lastIndex) return state.lastTerm;
  return index < state.lastIndex ? log.termAt(index) : undefined;
}

/**
 * The last index at or below `index` whose term is at most `term`. Terms never fall along a log, so it is found by halving.
 * `firstIndex - 1` when the log holds no such entry.
 */
export function lastIndexOfTerm(draft: Draft, index: number, term: number): number {
  let low = draft.log.firstIndex - 1;
  let high = Math.min(index, draft.state.lastIndex);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((termAt(draft, middle) ?? 0) <= term) low = middle;
    else high = middle - 1;
  }
  return low;
}
