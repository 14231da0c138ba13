import type { ClusterView } from "@saturnmq/wire";

/**
 * Of a fair share, what brokers that come get of all connections soon. Who lets go cannot say where to: of the connections that a Service spreads anew most
 * come to brokers that were there before, so this share of all of them moves. The rest is a matter of their age.
 */
const soon = 0.75;

/** Share of its clients' connections, 0 to 1, that a broker lets go when the cluster has changed: all when it is to be emptied, most when brokers came. */
export function shareToShed(before: ClusterView | undefined, now: ClusterView, self: number): number {
  if (before === undefined) return 0;
  if (isDraining(now, self)) return isDraining(before, self) ? 0 : 1;
  const [had, have] = [serving(before), serving(now)];
  return had === 0 || have <= had ? 0 : soon;
}

function isDraining({ brokers }: ClusterView, broker: number): boolean {
  return brokers.get(broker)?.draining === true;
}

function serving({ brokers }: ClusterView): number {
  let count = 0;
  for (const { state } of brokers.values()) if (state === "up") count += 1;
  return count;
}
