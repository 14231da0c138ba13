import { Violation } from "../invariant.ts";
import { isElected, type RaftRule, type RaftStep, termOf } from "./raft-step.ts";

const name = "a leader has all that was committed in earlier terms (Raft paper, Figure 3)";

/** How far a group is known to be committed. `committedIn`: term of the replica that first took it for that. */
type Point = { readonly index: number; readonly term: number | undefined; readonly committedIn: number };

export function leaderCompleteness(): RaftRule {
  const groups = new Map<string, Point[]>();
  return {
    stepped: (step) => {
      const { group, state, before } = step;
      if (state.commit === before.commit && !isElected(step)) return;
      const points = groups.get(group) ?? [];
      groups.set(group, points);
      if (isElected(step)) checkLog(step, points);
      if (state.commit > before.commit) note(step, points);
    },
  };
}

function checkLog(step: RaftStep, points: readonly Point[]): void {
  const { group, machine, state, log } = step;
  const { term } = state.hardState;
  // Indexes rise with the terms in which they were committed, so the last one that must be there is enough.
  const point = points.findLast(({ committedIn }) => committedIn < term);
  if (point?.term === undefined || log.firstIndex > point.index) return;
  const held = log.termAt(point.index);
  if (held !== point.term)
    throw new Violation(
      `${name}: ${group}: ${machine} leads term ${term} with entry ${point.index} of term ${held ?? "none"}, committed is that of ${point.term}`,
    );
}

/** One point a term is enough: the furthest. */
function note(step: RaftStep, points: Point[]): void {
  const { commit: index, hardState } = step.state;
  const point = { index, term: termOf(step, index), committedIn: hardState.term };
  const last = points.at(-1);
  if (last === undefined || (index > last.index && hardState.term > last.committedIn)) points.push(point);
  else if (index > last.index) points[points.length - 1] = { ...point, committedIn: last.committedIn };
}
