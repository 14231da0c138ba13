import { assert } from "@saturnmq/kit";
import type { Configuration } from "../ports.ts";
import { type Changed, type ConfigurationChange, changed, isJoint, isVoter, leaveJoint } from "./membership.ts";
import type { Draft, Leader } from "./state.ts";
import { stepDown } from "./transitions.ts";

/** Why a leader must not change the configuration now; `undefined` if it may. */
function obstacle(draft: Draft, role: Leader): string | undefined {
  const { state } = draft;
  if (role.handOver !== undefined) return "leadership is being handed over";
  if (!isVoter(state.configuration, state.self)) return "this leader is about to be dropped";
  // Before that, a change that an earlier leader could not finish may still come to be committed beside this one (Ongaro, raft-dev, 2015-07-10); but not
  // without the only voter.
  if (state.commit < role.firstIndex && !isAlone(state)) return "the leader has not committed an entry of its term yet";
  return state.configurationIndex > state.commit ? "the change before is not committed yet" : undefined;
}

function isAlone({ configuration, self }: Draft["state"]): boolean {
  const { incoming, outgoing } = configuration;
  return outgoing.length === 0 && incoming.length === 1 && incoming[0] === self;
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

/** The configuration that drops this leader is committed: it leads no more (Raft thesis §4.2.2). */
export function stepDownIfRemoved(draft: Draft): void {
  const { role, configuration, configurationIndex, commit, self } = draft.state;
  if (role.kind === "leader" && configurationIndex <= commit && !isVoter(configuration, self)) stepDown(draft);
}
