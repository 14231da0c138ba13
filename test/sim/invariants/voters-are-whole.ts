import { type Invariant, Violation } from "./invariant.ts";

/** How often replicas are asked, milliseconds. */
const everyMs = 200;

type Newest = { readonly index: number; readonly voters: readonly number[] };

/** Whoever votes for a shard holds every message of it (design 6, "A new replica"). Only where nothing expires: else it may lack what is gone. */
export function votersAreWhole(): Invariant {
  const newest = new Map<number, Newest>();
  let nextMs = 0;
  return {
    name: "voters hold every message",
    afterEvent: ({ brokers, queue }) => {
      if (queue.nowMs < nextMs) return;
      nextMs = queue.nowMs + everyMs;
      for (const { machine, broker } of brokers) {
        for (const { shard, commitIndex } of broker?.dataPlane.report().replicas ?? []) {
          const at = broker?.store.view(shard).configurationAt(commitIndex);
          if (broker === undefined || at === undefined) continue;
          const { incoming, outgoing } = at.configuration;
          if (at.index >= (newest.get(shard)?.index ?? 0))
            newest.set(shard, { index: at.index, voters: [...incoming, ...outgoing] });
          const { store } = broker;
          // One that was given up and comes back may still take itself for the voter that it was.
          const known = newest.get(shard);
          if (known?.index !== at.index || !known.voters.includes(store.identity.replicaId)) continue;
          const [lacking] = store.missing(shard, 1, store.view(shard).firstIndex - 1);
          if (lacking !== undefined)
            throw new Violation(
              `voters hold every message (design 6): ${machine.name} votes for shard ${shard} without entries ${lacking.from} to ${lacking.to}`,
            );
        }
      }
    },
  };
}
