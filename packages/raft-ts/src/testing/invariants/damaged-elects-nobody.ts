import { type Invariant, Violation } from "../world.ts";

const name =
  "Damage (design 5): a replica that may have lost what it acknowledged elects nobody until it holds all of that again";

export function damagedElectsNobody(): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind !== "stepped" || observation.at.state.standing === "whole") return;
      const { node, group } = observation.at;
      for (const effect of observation.effects) {
        if (effect.kind !== "send") continue;
        const { message, to } = effect;
        if ((message.kind === "voteReply" || message.kind === "preVoteReply") && message.granted)
          throw new Violation(
            name,
            `group ${group}: ${node}, whose log is damaged, answers ${to} with its ${message.kind}`,
          );
      }
    },
  };
}
