import type { ClusterSettings, ShardInfo } from "@saturnmq/wire";

/** A broker as the controller sees it. */
export type Member = {
  readonly id: number;
  readonly zone: string;
  /** `dead`: down for longer than the grace time. Removed brokers are not told of. */
  readonly condition: "up" | "down" | "dead";
  readonly draining: boolean;
  readonly leadersAway: boolean;
};

/** Everything that the controller decides from. No time in it: what is overdue was settled by who made it. */
export type World = {
  readonly replicationFactor: number;
  readonly settings: Pick<ClusterSettings, "moveBudget" | "transferBudget">;
  readonly members: readonly Member[];
  readonly shards: readonly ShardInfo[];
  /** Voters that are too far behind their leader to lead, by shard. */
  readonly lagging: ReadonlyMap<number, ReadonlySet<number>>;
  /** Hand-overs that leaders have been asked for and that are not done: shard to broker. */
  readonly asked: ReadonlyMap<number, number>;
};

/** Where shards are to go, and leaders that are to hand over. */
export type Plan = {
  readonly targets: readonly { readonly shard: number; readonly voters: readonly number[] }[];
  readonly transfers: readonly { readonly shard: number; readonly from: number; readonly to: number }[];
};

/** May get new replicas. */
export function takesReplicas({ condition, draining }: Member): boolean {
  return condition === "up" && !draining;
}

/** May keep what it has. One that is down within the grace time may: it is expected back. */
export function keepsReplicas({ condition, draining }: Member): boolean {
  return condition !== "dead" && !draining;
}

export function takesLeaders({ condition, draining, leadersAway }: Member): boolean {
  return condition === "up" && !draining && !leadersAway;
}
