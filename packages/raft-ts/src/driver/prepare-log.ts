import { firstTermOf, generationOf } from "../core/generation.ts";
import { simple } from "../core/quorum.ts";
import type { ConfigurationAt, RaftLog } from "../ports.ts";
import type { GroupOptions } from "./api.ts";

/** `configuration`: in force; `undefined` for a replica that is to join. `staged`: the log is to be written. */
export type PreparedLog = { readonly configuration: ConfigurationAt | undefined; readonly staged: boolean };

/** Gives the log the group's first configuration, its machine's checkpoint, or a configuration that is forced on it, where it lacks it. */
export function prepareLog(options: GroupOptions, log: RaftLog): PreparedLog {
  const restarted = beginAfterCheckpoint(options, log);
  const staged = force(options, log) || restarted;
  const { group, voters } = options;
  const known = log.view(group).configurationAt();
  if (known !== undefined || voters === undefined) return { configuration: known, staged };
  const configuration: ConfigurationAt = { index: 0, configuration: simple(voters) };
  log.saveConfiguration(group, configuration);
  return { configuration, staged };
}

/** The process ended between a snapshot's last step and the log's, or the log was damaged: what the machine holds is what counts. */
function beginAfterCheckpoint({ group, appliedIndex, checkpoint }: GroupOptions, log: RaftLog): boolean {
  if (checkpoint === undefined || appliedIndex === 0) return false;
  if (log.view(group).termAt(appliedIndex) === checkpoint.term) return false;
  log.restartAt(group, appliedIndex, checkpoint.term, checkpoint.configuration);
  if (log.hardState(group).term < checkpoint.term) log.saveHardState(group, { term: checkpoint.term, vote: 0 });
  return true;
}

/**
 * A damaged log is all that there is from now on: nobody is left to fetch the rest from. The entry's term belongs to nobody who was elected, and nobody
 * else writes in it; whoever votes for this replica does so in a later one.
 */
function force({ group, forced }: GroupOptions, log: RaftLog): boolean {
  if (forced === undefined || forced.generation <= generationOf(log.hardState(group).term)) return false;
  const term = firstTermOf(forced.generation);
  log.saveHardState(group, { term, vote: 0 });
  if (log.damaged(group) !== "no") log.healed(group);
  log.append(group, log.view(group).lastIndex + 1, term, undefined, simple(forced.voters, forced.revision));
  return true;
}
