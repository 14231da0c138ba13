import { simple } from "../core/quorum.ts";
import type { ConfigurationAt, RaftLog } from "../ports.ts";
import type { GroupOptions } from "./api.ts";

/** `configuration`: in force; `undefined` for a replica that is to join. `restarted`: the log now begins elsewhere, which is staged. */
export type PreparedLog = { readonly configuration: ConfigurationAt | undefined; readonly restarted: boolean };

/** Gives the log the group's first configuration, or its machine's checkpoint, where it lacks it. */
export function prepareLog(options: GroupOptions, log: RaftLog): PreparedLog {
  const restarted = beginAfterCheckpoint(options, log);
  const { group, voters } = options;
  const known = log.view(group).configurationAt();
  if (known !== undefined || voters === undefined) return { configuration: known, restarted };
  const configuration: ConfigurationAt = { index: 0, configuration: simple(voters) };
  log.saveConfiguration(group, configuration);
  return { configuration, restarted };
}

/** The process ended between a snapshot's last step and the log's, or the log was damaged: what the machine holds is what counts. */
function beginAfterCheckpoint({ group, appliedIndex, checkpoint }: GroupOptions, log: RaftLog): boolean {
  if (checkpoint === undefined || appliedIndex === 0) return false;
  if (log.view(group).termAt(appliedIndex) === checkpoint.term) return false;
  log.restartAt(group, appliedIndex, checkpoint.term, checkpoint.configuration);
  if (log.hardState(group).term < checkpoint.term) log.saveHardState(group, { term: checkpoint.term, vote: 0 });
  return true;
}
