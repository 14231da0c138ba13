import type { LogStore } from "@saturnmq/store";
import type { ConfigurationAt } from "raft-ts";
import { Violation } from "../invariant.ts";
import { newlyCommitted, type RaftRule, type RaftStep } from "./raft-step.ts";

const name = "whoever comes to vote for a shard holds every message of it (design 6, A new replica)";

/** The newest committed configuration of a shard. `joined`: those who vote by it and did not before, as long as they were not looked at. */
type Newest = { readonly index: number; readonly voters: readonly number[]; readonly joined: Set<number> };

/** What brokers that are up have. */
export type Held = {
  /** What is on the disk of a machine's broker; `undefined` while that is not open. */
  readonly logOf: (machine: string) => LogStore | undefined;
  /** The first entry of a shard that retention has left, as far as any broker knows. */
  readonly logStartOf: (shard: number) => number;
};

/** A voter that fell behind and got a snapshot may lack something for a while: only those that come to vote are looked at. */
export function votersAreWhole({ logOf, logStartOf }: Held): RaftRule {
  const shards = new Map<string, Newest>();
  const committed = newlyCommitted();
  return {
    stepped: (step) => {
      const at = committed(step);
      const shard = /^shard (\d+)$/.exec(step.group)?.[1];
      if (at === undefined || shard === undefined) return;
      const newest = newestOf(shards, step, at);
      if (at.index === newest.index && newest.joined.delete(step.state.self))
        look(step, Number(shard), logStartOf(Number(shard)), logOf(step.machine));
    },
  };
}

function look({ group, machine, log }: RaftStep, shard: number, from: number, store: LogStore | undefined): void {
  const [lacking] = store?.missing(shard, from, log.firstIndex - 1) ?? [];
  if (lacking === undefined) return;
  throw new Violation(`${name}: ${machine} votes for ${group} without entries ${lacking.from} to ${lacking.to}`);
}

function newestOf(shards: Map<string, Newest>, { group }: RaftStep, at: ConfigurationAt): Newest {
  const { incoming, outgoing } = at.configuration;
  const voters = [...incoming, ...outgoing];
  const known = shards.get(group);
  if (known !== undefined && at.index <= known.index) return known;
  const joined = new Set(known === undefined ? [] : voters.filter((voter) => !known.voters.includes(voter)));
  const newest = { index: at.index, voters, joined };
  shards.set(group, newest);
  return newest;
}
