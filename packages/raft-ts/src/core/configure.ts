import type { ConfigurationAt } from "../ports.ts";
import { membersOf, noMembers } from "./membership.ts";
import { newProgress } from "./progress.ts";
import { configurationBefore, type Draft, type Leader } from "./state.ts";

/** Puts a configuration in force; a leader begins to replicate to newcomers and stops to replicate to whoever left. */
export function configure(draft: Draft, at: ConfigurationAt): void {
  const { state, effects, log } = draft;
  const isNewer = at.index > state.configurationIndex;
  state.configurationBefore = isNewer ? state.configuration : configurationBefore(log, at.index);
  state.configuration = at.configuration;
  state.configurationIndex = at.index;
  effects.push({ kind: "configured", at });
  if (state.role.kind === "leader") trackMembers(draft, state.role);
}

/** Entries from `firstIndex` on are discarded: the configuration before them is in force again. */
export function unconfigure(draft: Draft, firstIndex: number): void {
  if (firstIndex > draft.state.configurationIndex) return;
  configure(draft, draft.log.configurationAt(firstIndex - 1) ?? { index: 0, configuration: noMembers });
}

/** Gives every other member a progress. A newcomer is probed from the newest entry on. */
export function trackMembers({ state }: Draft, { progress }: Leader): void {
  const members = membersOf(state.configuration);
  for (const id of progress.keys()) if (!members.includes(id)) progress.delete(id);
  for (const id of members) {
    if (id !== state.self && !progress.has(id))
      progress.set(id, newProgress(Math.max(1, state.lastIndex), state.nowMs));
  }
}
