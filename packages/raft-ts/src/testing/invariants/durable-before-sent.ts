import type { Message } from "../../core/messages.ts";
import type { ReplicaId } from "../../ports.ts";
import { type Invariant, type ReplicaView, Violation } from "../world.ts";

const name =
  "Persistence order (Raft paper, Figure 2): term, vote and entries are durable before the message that reveals them leaves";

export function durableBeforeSent(): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind !== "sends") return;
      const { at, to, message } = observation;
      if (message.kind === "group") check(at, to, message.message);
    },
  };
}

function check(at: ReplicaView, to: ReplicaId, message: Message): void {
  const { hardState, entries } = at.durable;
  if (message.term > hardState.term)
    throw new Violation(
      name,
      `group ${at.group}: ${at.node} reveals term ${message.term} by ${message.kind}, durable is ${hardState.term}`,
    );
  const vote =
    message.kind === "voteRequest" ? at.node : message.kind === "voteReply" && message.granted ? to : undefined;
  // A later term on disk is as good: this vote can never be given again.
  if (vote !== undefined && hardState.term === message.term && hardState.vote !== vote)
    throw new Violation(
      name,
      `group ${at.group}: the vote of ${at.node} for ${vote} in term ${message.term} is not durable`,
    );
  if (message.kind === "appendAccepted" && message.term === at.state.hardState.term) {
    const index = message.matchIndex;
    const held = entries[index - 1];
    const live = at.live.entries[index - 1];
    // The log may begin after it by now, on the disk or soon: then a checkpoint that is durable stands for it.
    const begun = at.durable.start.index >= index || (at.live.start.index >= index && held !== undefined);
    if (index > 0 && !begun && (held === undefined || held !== live))
      throw new Violation(name, `group ${at.group}: ${at.node} acknowledges ${index}, which is not durable`);
  }
}
