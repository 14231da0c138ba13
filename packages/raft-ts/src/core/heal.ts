import type { AppendRequest } from "./messages.ts";
import type { Draft } from "./state.ts";

// A replica whose log was damaged has acknowledged entries that it no longer holds. It must help nobody to lead or commit until it holds again all that
// was ever committed with its help. A leader knows how far that is once two things are so: it has taken back what it believed of this replica, and an
// entry of its own term is committed, so that its commit index covers all earlier terms. Its appends say so by `uncounted`.

/** Notes how far a fenced replica must come. The first that a leader says is enough: nothing committed later owes this replica anything. */
export function noteHealIndex(draft: Draft, { uncounted, commit }: AppendRequest): void {
  const { state } = draft;
  if (state.standing !== "fenced" || !uncounted || state.healIndex !== Infinity) return;
  state.healIndex = commit;
  healIfWhole(draft);
}

/** Lifts the fence when all that is needed is here, durable and known to be committed. */
export function healIfWhole({ state, effects }: Draft): void {
  if (state.standing !== "fenced" || Math.min(state.commit, state.durableIndex) < state.healIndex) return;
  state.standing = "whole";
  effects.push({ kind: "healed" });
}
