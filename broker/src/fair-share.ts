import type { ClusterView } from "@saturnmq/wire";

/**
 * Share of its clients' connections, 0 to 1, that a broker lets go when the cluster has changed: all when it is to be emptied, else what the brokers
 * that came would have of them, had all connections been spread evenly.
 */
export function shareToShed(before: ClusterView | undefined, now: ClusterView, self: number): number {
  if (before === undefined) return 0;
  if (isDraining(now, self)) return isDraining(before, self) ? 0 : 1;
  const [had, have] = [serving(before), serving(now)];
  return had === 0 || have <= had ? 0 : 1 - had / have;
}

function isDraining({ brokers }: ClusterView, broker: number): boolean {
  return brokers.get(broker)?.draining === true;
}

function serving({ brokers }: ClusterView): number {
  let count = 0;
  for (const { state } of brokers.values()) if (state === "up") count += 1;
  return count;
}
