import type { ReplicaId } from "../ports.ts";
import { startElection } from "./election.ts";
import { isVoter } from "./membership.ts";
import { type Draft, mayCampaign } from "./state.ts";
import { refuse, sendNow, stepDown } from "./transitions.ts";

/** Begins to hand leadership over: gives up the lease, lets `to` catch up, tells it to take over (Raft thesis §3.10). */
export function beginHandOver(draft: Draft, to: ReplicaId): void {
  const { role, self, configuration, nowMs } = draft.state;
  if (role.kind !== "leader") return refuse(draft, "this replica does not lead");
  if (to === self) return refuse(draft, "this replica leads already");
  if (!isVoter(configuration, to)) return refuse(draft, `replica ${to} is not a voter`);
  if (role.handOver !== undefined)
    return refuse(draft, `leadership is being handed over to replica ${role.handOver.to}`);
  if (role.progress.get(to)?.uncounted === true)
    return refuse(draft, `replica ${to} lost entries and has not healed yet`);
  role.handOver = { to, sinceMs: nowMs, told: false };
  draft.effects.push({ kind: "handingOver", to });
  continueHandOver(draft, to);
}

/** `from` answered: if it is to take over and has everything now, it is told so. */
export function continueHandOver(draft: Draft, from: ReplicaId): void {
  const { role, lastIndex, hardState } = draft.state;
  if (role.kind !== "leader" || role.handOver?.to !== from || role.handOver.told) return;
  if (role.progress.get(from)?.match !== lastIndex) return;
  role.handOver.told = true;
  sendNow(draft, from, { kind: "timeoutNow", term: hardState.term });
}

/** The other did not take over in time. */
export function giveUpHandOver(draft: Draft): void {
  const { state, effects } = draft;
  const { role } = state;
  if (role.kind !== "leader" || role.handOver === undefined) return;
  const { to, told } = role.handOver;
  if (told) {
    // Its election may come at any time, with voters that wait for no lease of this term: only a new term may have a lease again.
    if (mayCampaign(state)) startElection(draft, true);
    else stepDown(draft);
    return;
  }
  role.handOver = undefined;
  effects.push({ kind: "handOverFailed", to });
}

/** The leader asks this replica to take over. */
export function takeTimeoutNow(draft: Draft, from: ReplicaId): void {
  const { state } = draft;
  const { role } = state;
  if (role.kind === "follower" && role.leader === from && mayCampaign(state)) startElection(draft, true);
}
