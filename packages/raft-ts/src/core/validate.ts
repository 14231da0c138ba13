import type { ReplicaId, SnapshotHead } from "../ports.ts";
import { configurationProblem, replicaMax } from "./configuration-codec.ts";
import { firstTermOf, generationOf } from "./generation.ts";
import type { AppendRejected, AppendRequest, Message } from "./messages.ts";
import type { RaftState } from "./state.ts";

/** A term further ahead than any number of elections could bring it: one such message would use up the terms that are left. */
const termLeapMax = 2 ** 32;
const snapshotIdMax = 64;

/** Why no correct replica could have sent this; `undefined` if one could. What needs the log to be judged is judged by the role. */
export function faultOf(state: RaftState, from: ReplicaId, message: Message): string | undefined {
  // Whoever is a member may not be known here yet, or no longer: whom to talk to is the transport's to know.
  if (from === state.self || !isCount(from) || from < 1 || from > replicaMax)
    return "the sender is not another replica";
  if (!isCount(message.term)) return "the term is not an integer from 0 to 2^53 - 1";
  if (isTooFar(state, message.term)) return "the term is too far ahead";
  switch (message.kind) {
    case "preVoteRequest":
      if (message.electionTerm !== message.term + 1) return "a pre-vote is not for the next term";
      return faultOfLogEnd(message.lastIndex, message.lastTerm, message.term);
    case "voteRequest":
      if (message.term === 0) return "nobody is elected in term 0";
      return faultOfLogEnd(message.lastIndex, message.lastTerm, message.term);
    case "preVoteReply":
    case "voteReply":
      return isCount(message.electionTerm) ? undefined : "the election's term is not an integer";
    case "appendRequest":
      return faultOfAppend(message);
    case "appendAccepted":
      return isCount(message.matchIndex) ? undefined : "the acknowledged index is not an integer";
    case "appendRejected":
      return faultOfRejection(message);
    case "heartbeat":
      if (message.term === 0) return "nobody leads term 0";
      return isCount(message.commit) ? undefined : "the commit index is not an integer";
    case "heartbeatReply":
      return undefined;
    case "timeoutNow":
      return message.term === 0 ? "nobody leads term 0" : undefined;
    case "snapshotOffer":
      return message.term === 0 ? "nobody leads term 0" : faultOfSnapshot(message.snapshot, message.term);
  }
}

/** A replica that holds nothing yet may join a group of any generation; one that does holds what that generation wrote off. */
function isTooFar(state: RaftState, term: number): boolean {
  if (term - state.hardState.term <= termLeapMax) return false;
  const holdsNothing = state.lastIndex === 0 && state.configuration.incoming.length === 0;
  return !holdsNothing || term - firstTermOf(generationOf(term)) > termLeapMax;
}

function faultOfLogEnd(lastIndex: number, lastTerm: number, term: number): string | undefined {
  if (!isCount(lastIndex) || !isCount(lastTerm)) return "the end of the log is not an index and a term";
  if (lastTerm > term) return "the last entry is of a later term than its owner";
  return (lastIndex === 0) === (lastTerm === 0) ? undefined : "an empty log has a last term, or a log none";
}

function faultOfAppend(request: AppendRequest): string | undefined {
  const { term, prevIndex, prevTerm, entries, commit } = request;
  if (term === 0) return "nobody leads term 0";
  if (!isCount(prevIndex) || !isCount(prevTerm) || !isCount(commit))
    return "an append's place is not an index and a term";
  if ((prevIndex === 0) !== (prevTerm === 0))
    return "an append's place has an index without a term, or a term without an index";
  let index = prevIndex;
  let lastTerm = prevTerm;
  for (const entry of entries) {
    if (entry.index !== index + 1) return "an append's entries are not consecutive";
    if (!isCount(entry.term) || entry.term < lastTerm || entry.term === 0) return "an append's terms fall";
    if (entry.configuration !== undefined && configurationProblem(entry.configuration) !== undefined)
      return "an append has a configuration that no group can have";
    index = entry.index;
    lastTerm = entry.term;
  }
  if (!isCount(index)) return "an append's entries end beyond the last index there is";
  return lastTerm > term ? "an append has an entry of a later term than its leader" : undefined;
}

function faultOfRejection({ prevIndex, hintIndex, hintTerm }: AppendRejected): string | undefined {
  if (!isCount(prevIndex) || !isCount(hintIndex) || !isCount(hintTerm))
    return "a rejection's hint is not an index and a term";
  return hintIndex > prevIndex ? "a rejection's hint lies after the place that it rejects" : undefined;
}

function faultOfSnapshot(
  { index, term, configuration, id, bytes }: SnapshotHead,
  leaderTerm: number,
): string | undefined {
  if (!isCount(index) || !isCount(term) || index === 0 || term === 0) return "a snapshot is not of an index and a term";
  if (term > leaderTerm) return "a snapshot is of a later term than its leader";
  if (!isCount(bytes)) return "a snapshot's length is not an integer";
  if (id.length > snapshotIdMax) return "a snapshot's name is too long";
  if (!isCount(configuration.index) || configuration.index > index) return "a snapshot's configuration lies beyond it";
  return configurationProblem(configuration.configuration) && "a snapshot has a configuration that no group can have";
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
