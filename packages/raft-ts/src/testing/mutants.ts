import type { Effect } from "../core/effect.ts";
import type { Input, Received } from "../core/input.ts";
import { quorumValue, votersOf } from "../core/quorum.ts";
import type { RaftState } from "../core/state.ts";
import { step } from "../core/step.ts";
import type { LogView } from "../ports.ts";

/** A core with one planted fault, and what the fault would do in real life. */
export type Mutant = { readonly name: string; readonly core: typeof step };

/** Cores that a simulation must turn red on: they show that it can see what it claims to check. */
export const mutants: readonly Mutant[] = [
  { name: "votes twice in a term", core: forgetVoteBeforeVoting },
  { name: "does not persist its vote", core: persistNoVote },
  { name: "grants votes to shorter logs", core: believeEveryLog },
  { name: "counts its own unsynced entries", core: countUnsyncedEntries },
  { name: "commits entries of older terms by counting", core: commitOlderTerms },
  { name: "reveals before it is durable", core: sendAtOnce },
  { name: "acknowledges all of its log", core: acknowledgeEverything },
  { name: "elects while a lease may hold", core: forgetLeader },
  { name: "votes right after a restart", core: skipStartQuiet },
  { name: "counts the lease from the answer", core: leaseFromAnswer },
  { name: "never steps down without a majority", core: ignoreQuorumLoss },
  { name: "campaigns without a pre-vote", core: campaignAtOnce },
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

function acknowledgeEverything(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  return step(state, input, log).map((effect) =>
    effect.kind === "send" && effect.message.kind === "appendAccepted"
      ? { ...effect, message: { ...effect.message, matchIndex: state.lastIndex } }
      : effect,
  );
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
