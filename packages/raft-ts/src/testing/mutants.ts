import type { Effect } from "../core/effect.ts";
import type { Input, Received } from "../core/input.ts";
import { isVoter } from "../core/membership.ts";
import { quorumValue, votersOf } from "../core/quorum.ts";
import type { HandOver, RaftState } from "../core/state.ts";
import { step } from "../core/step.ts";
import { hashOf } from "../driver/led-groups.ts";
import type { LedGroup, PeerMessage } from "../driver/messages.ts";
import type { Configuration, LogView, ReplicaId } from "../ports.ts";

/** What is wrong in a run that should turn red. */
export type Plant = {
  readonly core?: typeof step;
  /** What a node sends instead of a message. */
  readonly alter?: (from: ReplicaId, to: ReplicaId, message: PeerMessage) => PeerMessage;
  readonly walksBack?: boolean;
  readonly halfSnapshots?: boolean;
  readonly keepsIdOfLostDisk?: boolean;
};

/** A fault, and how a run gets it. What it keeps is of one run: `plant` is called for each. */
export type Mutant = { readonly name: string; readonly plant: () => Plant };

function inCore(name: string, core: typeof step): Mutant {
  return { name, plant: () => ({ core }) };
}

/** Faults that a simulation must turn red on: they show that it can see what it claims to check. */
export const mutants: readonly Mutant[] = [
  inCore("votes twice in a term", forgetVoteBeforeVoting),
  inCore("does not persist its vote", persistNoVote),
  inCore("grants votes to shorter logs", believeEveryLog),
  inCore("counts its own unsynced entries", countUnsyncedEntries),
  inCore("commits entries of older terms by counting", commitOlderTerms),
  inCore("reveals before it is durable", sendAtOnce),
  inCore("acknowledges all of its log", acknowledgeEverything),
  inCore("elects while a lease may hold", forgetLeader),
  inCore("votes right after a restart", skipStartQuiet),
  inCore("counts the lease from the answer", leaseFromAnswer),
  inCore("never steps down without a majority", ignoreQuorumLoss),
  inCore("campaigns without a pre-vote", campaignAtOnce),
  inCore("obeys a removed replica", obeyStrangers),
  { name: "uses a configuration only once it is committed", plant: () => ({ core: configureAtCommit() }) },
  inCore("makes two changes at once", changeTwice),
  { name: "keeps the lease while it hands over", plant: () => ({ core: keepLease() }) },
  { name: "installs a snapshot without its end", plant: () => ({ halfSnapshots: true }) },
  { name: "votes under its old id after its disk was lost", plant: () => ({ keepsIdOfLostDisk: true }) },
  inCore("lets learners vote", learnersVote),
  { name: "counts what a damaged replica lost", plant: () => ({ core: keepMatch() }) },
  inCore("votes with a damaged log", voteWhileFenced),
  { name: "keeps a dead leader alive by a stale heartbeat", plant: () => ({ alter: repeatLed() }) },
  { name: "walks back to an old target", plant: () => ({ walksBack: true }) },
];

function forgetVoteBeforeVoting(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  const asked = input.kind === "received" && input.message.kind === "voteRequest";
  if (asked && state.role.kind === "follower") state.hardState = { term: state.hardState.term, vote: 0 };
  return step(state, input, log);
}

function persistNoVote(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  return step(state, input, log).map((effect) =>
    effect.kind === "persistHardState" ? { ...effect, hardState: { ...effect.hardState, vote: 0 } } : effect,
  );
}

function believeEveryLog(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  if (input.kind !== "received") return step(state, input, log);
  const { message } = input;
  if (message.kind !== "voteRequest" && message.kind !== "preVoteRequest") return step(state, input, log);
  if (state.lastTerm > message.term) return step(state, input, log);
  const { lastIndex, lastTerm } = state;
  return step(state, { ...input, message: { ...message, lastIndex, lastTerm } }, log);
}

function countUnsyncedEntries(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  const effects = step(state, input, log);
  if (state.role.kind === "leader") state.durableIndex = state.lastIndex;
  return effects;
}

function commitOlderTerms(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  const effects = step(state, input, log);
  const { role, self } = state;
  if (role.kind !== "leader") return effects;
  const reached = quorumValue(state.configuration, (voter) =>
    voter === self ? state.durableIndex : (role.progress.get(voter)?.match ?? 0),
  );
  if (reached <= state.commit) return effects;
  state.commit = reached;
  return [...effects, { kind: "commit", index: reached }];
}

function sendAtOnce(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  return step(state, input, log).map((effect) =>
    effect.kind === "send" ? { ...effect, waitsFor: "nothing" } : effect,
  );
}

/** Where the logs part, too: it says that it has all that it has. */
function acknowledgeEverything(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  return step(state, input, log).map((effect) => {
    if (effect.kind !== "send") return effect;
    const { message } = effect;
    if (message.kind !== "appendAccepted" && message.kind !== "appendRejected") return effect;
    const { term, lost } = message;
    return { ...effect, message: { kind: "appendAccepted", term, matchIndex: state.lastIndex, lost } };
  });
}

function forgetLeader(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  if (isVoteRequest(input)) state.heardMs = -Infinity;
  return step(state, input, log);
}

function skipStartQuiet(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  state.quietUntilMs = -Infinity;
  return step(state, input, log);
}

function leaseFromAnswer(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  if (input.kind !== "received" || input.message.kind !== "heartbeatReply") return step(state, input, log);
  return step(state, { ...input, message: { ...input.message, sentMs: input.nowMs } }, log);
}

function ignoreQuorumLoss(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  const { role } = state;
  if (input.kind === "tick" && role.kind === "leader")
    for (const progress of role.progress.values()) progress.heardMs = input.nowMs;
  return step(state, input, log);
}

function campaignAtOnce(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  const effects = [...step(state, input, log)];
  if (input.kind !== "tick") return effects;
  for (const from of votersOf(state.configuration)) {
    if (state.role.kind !== "preCandidate") break;
    const { term } = state.hardState;
    const grant = { kind: "preVoteReply", term, electionTerm: term + 1, granted: true } as const;
    effects.push(...step(state, { kind: "received", nowMs: input.nowMs, from, message: grant }, log));
  }
  return effects.filter((effect) => effect.kind !== "suspect");
}

function isVoteRequest(input: Input): input is Received {
  return input.kind === "received" && (input.message.kind === "voteRequest" || input.message.kind === "preVoteRequest");
}

function obeyStrangers(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  if (!isVoteRequest(input) || isVoter(state.configuration, input.from)) return step(state, input, log);
  state.heardMs = -Infinity;
  state.quietUntilMs = -Infinity;
  return believeEveryLog(state, input, log);
}

/** As a library does that applies configurations like any other entry, but with quorums that count on what the log says. */
function configureAtCommit(): typeof step {
  const waiting = new WeakMap<RaftState, { readonly index: number; readonly configuration: Configuration }>();
  return (state, input, log) => {
    const before = state.configuration;
    const effects = step(state, input, log);
    const appended = effects.find((effect) => effect.kind === "append")?.entries.at(-1)?.configuration;
    if (appended !== undefined) {
      waiting.set(state, { index: state.configurationIndex, configuration: appended });
      useInstead(state, before);
    } else if (state.configuration !== before) waiting.delete(state);
    const due = waiting.get(state);
    if (due === undefined || due.index > state.commit) return effects;
    state.configuration = due.configuration;
    state.configurationIndex = due.index;
    waiting.delete(state);
    return effects;
  };
}

/** Another configuration decides; what the entries say that are sent is read from the log. */
function useInstead(state: RaftState, configuration: Configuration): void {
  state.configuration = configuration;
  state.configurationIndex = Infinity;
}

function changeTwice(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  if (input.kind !== "reconfigure") return step(state, input, log);
  const { configurationIndex } = state;
  state.configurationIndex = 0;
  const effects = step(state, input, log);
  if (state.configurationIndex === 0) state.configurationIndex = configurationIndex;
  return effects;
}

/** Between steps, when the driver asks how long the lease holds, the hand-over is not to be seen. It still ends when it should. */
function keepLease(): typeof step {
  const hidden = new WeakMap<RaftState, HandOver>();
  return (state, input, log) => {
    const handOver = hidden.get(state);
    hidden.delete(state);
    if (state.role.kind === "leader" && handOver !== undefined) state.role.handOver = handOver;
    let effects = step(state, input, log);
    if (state.role.kind === "leader" && handOver !== undefined && input.kind === "received") {
      const { nowMs, electionJitterMs, retryDelayMs } = state;
      const alone = !effects.some(({ kind }) => kind === "append");
      if (alone) effects = [...effects, ...step(state, { kind: "tick", nowMs, electionJitterMs, retryDelayMs }, log)];
    }
    if (state.role.kind === "leader" && state.role.handOver !== undefined) {
      hidden.set(state, state.role.handOver);
      state.role.handOver = undefined;
    }
    return effects;
  };
}

function learnersVote(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  const { configuration, configurationIndex } = state;
  const { incoming, outgoing, learners } = configuration;
  const ticks = input.kind === "tick" && state.role.kind === "leader";
  if (input.kind === "reconfigure" || ticks || outgoing.length > 0) return step(state, input, log);
  const wrong: Configuration = { ...configuration, incoming: [...incoming, ...learners] };
  useInstead(state, wrong);
  const effects = step(state, input, log);
  if (state.configuration === wrong) {
    state.configuration = configuration;
    state.configurationIndex = configurationIndex;
  }
  return effects;
}

/** The leader goes on to count what was acknowledged before the damage. */
function keepMatch(): typeof step {
  const acknowledged = new WeakMap<RaftState["role"], Map<ReplicaId, number>>();
  return (state, input, log) => {
    const effects = step(state, input, log);
    const { role, self } = state;
    if (role.kind !== "leader") return effects;
    const most = acknowledged.get(role) ?? new Map<ReplicaId, number>();
    acknowledged.set(role, most);
    for (const [id, { match }] of role.progress) most.set(id, Math.max(match, most.get(id) ?? 0));
    const reached = quorumValue(state.configuration, (id) => (id === self ? state.durableIndex : (most.get(id) ?? 0)));
    if (reached <= state.commit || log.termAt(reached) !== state.hardState.term) return effects;
    state.commit = reached;
    return [...effects, { kind: "commit", index: reached }];
  };
}

function voteWhileFenced(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  const { standing } = state;
  if (standing !== "fenced" || !isVoteRequest(input)) return step(state, input, log);
  state.standing = "whole";
  const effects = step(state, input, log);
  state.standing = standing;
  return effects;
}

/** What a process led once it names in every heartbeat, in later lives too. */
function repeatLed(): (from: ReplicaId, to: ReplicaId, message: PeerMessage) => PeerMessage {
  const known = new Map<string, Map<number, LedGroup>>();
  return (from, to, message) => {
    if (message.kind !== "pairHeartbeat") return message;
    const link = `${from}>${to}`;
    const rows = known.get(link) ?? new Map<number, LedGroup>();
    known.set(link, rows);
    for (const row of message.led) rows.set(row.group, row);
    const led = [...rows.values()];
    return { ...message, base: 0, led, ended: [], hash: hashOf(led) };
  };
}
