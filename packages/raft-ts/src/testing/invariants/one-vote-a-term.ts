import type { ReplicaId } from "../../ports.ts";
import { type Invariant, Violation } from "../world.ts";

const name =
  "One vote a term (Raft paper §5.2): no replica votes for two candidates of one term, not even across a crash";

export function oneVoteATerm(): Invariant {
  const votes = new Map<string, ReplicaId>();
  return {
    name,
    observe(observation) {
      if (observation.kind !== "sends" || observation.message.kind !== "group") return;
      const { at, to } = observation;
      const { message } = observation.message;
      const given =
        message.kind === "voteRequest" ? at.node : message.kind === "voteReply" && message.granted ? to : undefined;
      if (given === undefined) return;
      const key = `${at.group} ${at.node} ${message.term}`;
      const before = votes.get(key);
      if (before === undefined) votes.set(key, given);
      else if (before !== given)
        throw new Violation(
          name,
          `group ${at.group}: ${at.node} votes for ${before} and ${given} in term ${message.term}`,
        );
    },
  };
}
