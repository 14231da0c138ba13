import { assert } from "@saturnmq/kit";
import type { Configuration, ConfigurationAt, Damage, HardState, LogView, ReplicaId } from "../ports.ts";
import type { Effect } from "./effect.ts";
import { isVoter, noMembers } from "./membership.ts";
import type { Progress } from "./progress.ts";
import { quorumValue, votersOf } from "./quorum.ts";
import { raftTimes } from "./times.ts";

export type Follower = { readonly kind: "follower"; readonly leader: ReplicaId };
/** Asks whether it could win; its term is not raised yet. */
export type PreCandidate = { readonly kind: "preCandidate"; readonly votes: Map<ReplicaId, boolean> };
/** Its own vote is among `votes` only once it is durable. */
export type Candidate = { readonly kind: "candidate"; readonly votes: Map<ReplicaId, boolean> };
/** Hands over to `to`, which was told to take over once `told`. */
export type HandOver = { readonly to: ReplicaId; readonly sinceMs: number; told: boolean };
export type Leader = {
  readonly kind: "leader";
  /** The first entry of its term. */
  readonly firstIndex: number;
  /** Every member but itself, and for a while those that the newest configuration drops. */
  readonly progress: Map<ReplicaId, Progress>;
  handOver: HandOver | undefined;
};
export type Role = Follower | PreCandidate | Candidate | Leader;

/**
 * One replica of one group. Only `step` changes it; whoever holds it may read it between steps.
 *
 * Kept at all times: commit and term never go back; `durableIndex` <= `lastIndex`; `commit` <= `lastIndex`.
 */
export type RaftState = {
  readonly self: ReplicaId;
  /** The newest one that the log has, committed or not: it is in force from the moment it is appended (Raft thesis §4.1). */
  configuration: Configuration;
  /** Index of the entry that brought it. */
  configurationIndex: number;
  /** The one before it, in force again should its entry be discarded. */
  configurationBefore: Configuration;
  /**
   * `fenced`: lost entries that it had acknowledged. It takes entries and elects nobody, until it holds all that was committed with its help.
   * `barred`: may have lost a vote too. It takes part in nothing under this replica id.
   */
  standing: "whole" | "fenced" | "barred";
  /** What a fenced replica must hold, durable and committed, to be whole again; `Infinity` while no leader has said. */
  healIndex: number;
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

/** What one step works on. `freshBytes`: payload of the entry that it proposes, which the log view shows only afterwards. */
export type Draft = {
  readonly state: RaftState;
  readonly log: LogView;
  readonly effects: Effect[];
  freshBytes: number;
};

export type InitialState = {
  readonly self: ReplicaId;
  /** `undefined` for a replica that was asked to join and waits for a leader. */
  readonly configuration: ConfigurationAt | undefined;
  readonly damage: Damage;
  /** What the log kept; all of it is durable. */
  readonly hardState: HardState;
  readonly log: LogView;
  /** Entries up to here were known to be committed before the start. */
  readonly commit: number;
  readonly nowMs: number;
  readonly electionJitterMs: number;
  readonly retryDelayMs: number;
};

/** A replica that has just started. Who has been the only voter may campaign at its first tick; any other waits as long as a lease may still hold. */
export function initialState(options: InitialState): RaftState {
  const { self, log, commit, nowMs, electionJitterMs, retryDelayMs } = options;
  const { index: configurationIndex, configuration } = options.configuration ?? { index: 0, configuration: noMembers };
  assert(commit <= log.lastIndex, "the log ends before entries that are known to be committed");
  assert(log.lastTerm <= options.hardState.term, "the log has an entry of a term after the durable one");
  const before = configurationBefore(log, configurationIndex);
  const alone = hasBeenAlone(self, [configuration, before], options.hardState);
  return {
    self,
    configuration,
    configurationIndex,
    configurationBefore: before,
    standing: ({ no: "whole", fetch: "fenced", rejoin: "barred" } as const)[options.damage],
    healIndex: Infinity,
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
    campaignAtMs: alone ? nowMs : nowMs + raftTimes.leaderQuietMs + electionJitterMs,
    electionJitterMs,
    retryDelayMs,
  };
}

/**
 * Whether nobody else can be leading, or hold a lease of which this voter knew before it ended. To be the only voter is not enough: a leader that was
 * dropped leads until that is committed. Who was the only voter in the configuration before as well, and voted for nobody else since, elected itself.
 */
function hasBeenAlone(self: ReplicaId, configurations: readonly Configuration[], { term, vote }: HardState): boolean {
  return (term === 0 || vote === self) && configurations.every((one) => votersOf(one).every((voter) => voter === self));
}

/** When the next tick is due; `Infinity` for never. Every step may change it. */
export function nextTickMs(state: RaftState): number {
  if (state.role.kind !== "leader") return mayCampaign(state) ? state.campaignAtMs : Infinity;
  return Math.min(quorumLostAtMs(state, state.role), handOverEndsAtMs(state.role));
}

/** When a leader steps down unless a majority is heard before. */
export function quorumLostAtMs(state: RaftState, role: Leader): number {
  return heardByQuorumMs(state, role) + raftTimes.leaderQuietMs;
}

/** When a hand-over has failed unless another leads before; `Infinity` while there is none. */
export function handOverEndsAtMs({ handOver }: Leader): number {
  return handOver === undefined ? Infinity : handOver.sinceMs + raftTimes.transferMs;
}

/**
 * Only whole voters may lead. Whoever is dropped by an entry that may not be committed yet is still one: voters of the new configuration may lack that
 * entry, and could not be elected by those who have it (Raft thesis §4.2.2).
 */
export function mayCampaign(state: RaftState): boolean {
  const { standing, self, configuration, configurationIndex, commit } = state;
  if (standing !== "whole") return false;
  return isVoter(configuration, self) || (configurationIndex > commit && isVoter(state.configurationBefore, self));
}

/** The configuration that is in force without the entry at `index`. */
export function configurationBefore(log: LogView, index: number): Configuration {
  return (index > 0 ? log.configurationAt(index - 1)?.configuration : undefined) ?? noMembers;
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
  const { role } = state;
  // Whoever is told to take over is elected by voters that do not wait for this lease to end.
  if (role.kind !== "leader" || role.handOver !== undefined) return -Infinity;
  return confirmedMs(state) + raftTimes.leaseMs;
}

/**
 * This replica still led at that time, since heartbeats sent then were answered by a majority. `Infinity` for a sole voter, `-Infinity` when
 * unknown.
 */
export function confirmedMs(state: RaftState): number {
  const { role, self } = state;
  if (role.kind !== "leader") return -Infinity;
  return quorumValue(state.configuration, (voter) =>
    voter === self ? Infinity : (role.progress.get(voter)?.contactMs ?? -Infinity),
  );
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

/** Payload bytes of the entry at `index`, that of this step included. */
export function bytesAt({ state, log, freshBytes }: Draft, index: number): number {
  return log.bytesAt(index) ?? (index === state.lastIndex ? freshBytes : 0);
}

/** The configuration that the entry at `index` brings; `undefined` when it is another kind of entry. */
export function configurationOf({ state, log }: Draft, index: number): Configuration | undefined {
  if (index >= state.configurationIndex)
    return index === state.configurationIndex && index > 0 ? state.configuration : undefined;
  const at = log.configurationAt(index);
  return at?.index === index ? at.configuration : undefined;
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
