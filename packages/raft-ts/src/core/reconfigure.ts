import { assert } from "@saturnmq/kit";
import type { Configuration } from "../ports.ts";
import { type Changed, type ConfigurationChange, changed, isJoint, isVoter, leaveJoint } from "./membership.ts";
import type { Draft, Leader } from "./state.ts";
import { sendNow, stepDown } from "./transitions.ts";

/** Why a leader must not change the configuration now; `undefined` if it may. */
function obstacle(draft: Draft, role: Leader): string | undefined {
  const { state } = draft;
  if (role.handOver !== undefined) return "leadership is being handed over";
  // Before that, a change that an earlier leader could not finish may still come to be committed beside this one (Ongaro, raft-dev, 2015-07-10).
  if (state.commit < role.firstIndex) return "the leader has not committed an entry of its term yet";
  return state.configurationIndex > state.commit ? "the change before is not committed yet" : undefined;
}

/** What a change leads to, if this replica may propose it now. */
export function proposed(draft: Draft, change: ConfigurationChange): Changed {
  const { role, configuration } = draft.state;
  const problem = role.kind === "leader" ? obstacle(draft, role) : "this replica does not lead";
  return problem === undefined ? changed(configuration, change) : { problem };
}

/** The configuration to leave a joint one to, once that is committed and is to be left by itself. */
export function configurationToLeaveTo(draft: Draft): Configuration | undefined {
  const { role, configuration } = draft.state;
  if (role.kind !== "leader" || !isJoint(configuration) || !configuration.autoLeave) return undefined;
  if (obstacle(draft, role) !== undefined) return undefined;
  const next = leaveJoint(configuration, configuration.revision);
  assert("configuration" in next, "a joint configuration leads to none");
  return next.configuration;
}

/**
 * The configuration that drops this leader is committed: it leads no more (Raft thesis §4.2.2). Whoever is up to date may take over at once, since
 * stepping down ends the lease.
 */
export function stepDownIfRemoved(draft: Draft): void {
  const { state } = draft;
  const { role, configuration, self } = state;
  if (role.kind !== "leader" || state.configurationIndex > state.commit || isVoter(configuration, self)) return;
  const heir = configuration.incoming.find((voter) => {
    const progress = role.progress.get(voter);
    return progress?.match === state.lastIndex && !progress.uncounted;
  });
  stepDown(draft);
  if (heir !== undefined) sendNow(draft, heir, { kind: "timeoutNow", term: state.hardState.term });
}
