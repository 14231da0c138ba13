import type { ConfigurationAt } from "../ports.ts";
import { membersOf, noMembers } from "./membership.ts";
import { newProgress } from "./progress.ts";
import { configurationBefore, type Draft, type Leader } from "./state.ts";
import { raftTimes } from "./times.ts";

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

/**
 * Gives every other member a progress. A newcomer is probed from the newest entry on. Whoever the newest configuration drops keeps its progress for
 * now: it is told that it is dropped, so that it waits for no leader any more.
 */
export function trackMembers({ state }: Draft, { progress }: Leader): void {
  for (const id of membersOf(state.configuration)) {
    if (id !== state.self && !progress.has(id))
      progress.set(id, newProgress(Math.max(1, state.lastIndex), state.nowMs));
  }
}

/** Forgets those who are no members any more once they know that this is committed, or have been silent for an election timeout. */
export function dropLeavers({ state }: Draft, { progress }: Leader): void {
  const { configuration, configurationIndex, commit, nowMs } = state;
  if (commit < configurationIndex) return;
  const members = membersOf(configuration);
  if (progress.size < members.length) return;
  for (const [id, { match, toldCommit, heardMs }] of progress) {
    const knows = match >= configurationIndex && toldCommit >= configurationIndex;
    const isSilent = nowMs - heardMs >= raftTimes.leaderQuietMs;
    if (!members.includes(id) && (knows || isSilent)) progress.delete(id);
  }
}
