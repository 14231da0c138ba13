import type { HardState } from "raft-ts";
import type { Input, RaftState } from "raft-ts/testing";
import { Violation } from "../invariant.ts";
import type { RaftRule, RaftStep } from "./raft-step.ts";

const name = "what a log said is durable is there after any crash (Raft paper, Figure 2, persistent state)";

type Persisted = Extract<Input, { kind: "persisted" }>;
/** Where a log ended. `truncations`: how often something had been discarded by then. */
type End = { readonly index: number; readonly term: number; readonly truncations: number };
type Promised = {
  /** The first is durable; a write that was under way when the process ended may have made any of the others so. */
  readonly ends: End[];
  readonly hardStates: HardState[];
};

/** Remembers, over a replica's lives, what its log has promised. */
export class Promises implements RaftRule {
  /** By group and replica, of its newest life. */
  readonly #replicas = new Map<string, Promised>();
  readonly #lives = new WeakMap<RaftState, Promised>();

  stepped(step: RaftStep): void {
    const { state, input } = step;
    const promised = this.#lives.get(state) ?? this.#begin(step);
    if (input.kind === "persisted") settle(promised, input);
    const { lastIndex: index, lastTerm: term, truncations, hardState } = state;
    const end = promised.ends.at(-1);
    if (end?.index !== index || end.term !== term || end.truncations !== truncations)
      promised.ends.push({ index, term, truncations });
    if (promised.hardStates.at(-1) !== hardState) promised.hardStates.push(hardState);
  }

  /** A life of a replica begins, with what its log has. */
  #begin(step: RaftStep): Promised {
    const { group, state, before } = step;
    const key = `${group} ${state.self}`;
    const known = this.#replicas.get(key);
    if (known !== undefined && state.standing === "whole") checkKept(step, known);
    const { lastIndex: index, lastTerm: term, hardState } = before;
    const promised: Promised = { ends: [{ index, term, truncations: 0 }], hardStates: [hardState] };
    this.#replicas.set(key, promised);
    this.#lives.set(state, promised);
    return promised;
  }

  /** The last entry that a replica, up or down, has on its disk; 0 when nothing is known of it. */
  durableIndex(group: string, replica: number): number {
    const promised = this.#replicas.get(`${group} ${replica}`);
    return promised === undefined ? 0 : Math.min(...promised.ends.map(({ index }) => index));
  }
}

/** A write has ended: what it carried counts, and what was before it does not. */
function settle({ ends, hardStates }: Promised, { index, truncations, hardState }: Persisted): void {
  const end = ends.findIndex((one) => one.index === index && one.truncations === truncations);
  if (end > 0) ends.splice(0, end);
  const state = hardStates.indexOf(hardState);
  if (state > 0) hardStates.splice(0, state);
}

function checkKept({ group, machine, before, log }: RaftStep, { ends, hardStates }: Promised): void {
  const { lastIndex, lastTerm, hardState } = before;
  const isKnown = ends.some(({ index, term }) => index === lastIndex && term === lastTerm);
  const durable = ends[0];
  // A log that begins after a checkpoint holds nothing that is older.
  if (!isKnown && durable !== undefined && log.firstIndex <= durable.index)
    throw new Violation(
      `${name}: ${group}: the log of ${machine} ends at ${lastIndex} of term ${lastTerm}, it promised ${textOf(ends)}`,
    );
  const [promised] = hardStates;
  if (promised !== undefined && !isAsGood(hardState, promised))
    throw new Violation(
      `${name}: ${group}: ${machine} is in term ${hardState.term}, vote ${hardState.vote}, it promised ${promised.term}, ${promised.vote}`,
    );
}

function isAsGood(now: HardState, promised: HardState): boolean {
  if (now.term !== promised.term) return now.term > promised.term;
  return promised.vote === 0 || now.vote === promised.vote;
}

function textOf(ends: readonly End[]): string {
  return ends.map(({ index, term }) => `${index} of ${term}`).join(" or ");
}
