import { simple } from "../core/quorum.ts";
import type { ConfigurationAt, RaftLog } from "../ports.ts";
import type { GroupOptions } from "./api.ts";

/** The group's first configuration, or its last checkpoint, where the log lacks it. Answers the configuration in force; `undefined` to join one. */
export function prepareLog(
  { group, voters, appliedIndex, checkpoint }: GroupOptions,
  log: RaftLog,
): ConfigurationAt | undefined {
  const view = log.view(group);
  if (checkpoint !== undefined && appliedIndex > 0 && view.termAt(appliedIndex) !== checkpoint.term) {
    // The process ended between a snapshot's last step and the log's: the snapshot is what counts.
    log.restartAt(group, appliedIndex, checkpoint.term, checkpoint.configuration);
    if (log.hardState(group).term < checkpoint.term) log.saveHardState(group, { term: checkpoint.term, vote: 0 });
  }
  const known = view.configurationAt();
  if (known !== undefined || voters === undefined) return known;
  const first: ConfigurationAt = { index: 0, configuration: simple(voters) };
  log.saveConfiguration(group, first);
  return first;
}
