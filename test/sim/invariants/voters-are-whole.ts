import type { SimulatedCluster } from "../world/cluster.ts";
import { type Invariant, Violation } from "./invariant.ts";

/** How often replicas are asked, milliseconds. */
const everyMs = 200;
const name = "whoever comes to vote for a shard holds every message of it (design 6, A new replica)";

type Node = SimulatedCluster["brokers"][number];
/** The newest committed configuration of a shard. `joined`: those who vote by it and did not before, as long as they were not looked at. */
type Newest = { readonly index: number; readonly voters: readonly number[]; readonly joined: Set<number> };

/** Only where nothing expires: else a replica may lack what is gone. A voter that fell behind and got a snapshot may lack something for a while. */
export function votersAreWhole(): Invariant {
  const shards = new Map<number, Newest>();
  let nextMs = 0;
  return {
    name,
    afterEvent: ({ brokers, queue }) => {
      if (queue.nowMs < nextMs) return;
      nextMs = queue.nowMs + everyMs;
      for (const node of brokers)
        for (const { shard, commitIndex } of node.broker?.dataPlane.report().replicas ?? [])
          look(shards, node, shard, commitIndex);
    },
  };
}

function look(shards: Map<number, Newest>, { machine, broker }: Node, shard: number, commitIndex: number): void {
  if (broker === undefined) return;
  const { store } = broker;
  const at = store.view(shard).configurationAt(commitIndex);
  if (at === undefined) return;
  const newest = newestOf(shards, shard, at.index, [...at.configuration.incoming, ...at.configuration.outgoing]);
  if (at.index !== newest.index || !newest.joined.delete(store.identity.replicaId)) return;
  const [lacking] = store.missing(shard, 1, store.view(shard).firstIndex - 1);
  if (lacking === undefined) return;
  const { from, to } = lacking;
  throw new Violation(`${name}: ${machine.name} votes for shard ${shard} without entries ${from} to ${to}`);
}

function newestOf(shards: Map<number, Newest>, shard: number, index: number, voters: readonly number[]): Newest {
  const known = shards.get(shard);
  if (known !== undefined && index <= known.index) return known;
  const joined = new Set(known === undefined ? [] : voters.filter((voter) => !known.voters.includes(voter)));
  const newest = { index, voters, joined };
  shards.set(shard, newest);
  return newest;
}
