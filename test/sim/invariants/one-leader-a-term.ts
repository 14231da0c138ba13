import { type Invariant, Violation } from "./invariant.ts";

/** Election safety (Raft paper, Figure 3), as brokers show it: in one term of a shard one broker serves it, ever. */
export function oneLeaderATerm(): Invariant {
  const shards = new Map<number, Map<number, string>>();
  const name = "one broker a term serves a shard (Raft paper, Figure 3)";
  return {
    name,
    afterEvent: ({ brokers }) => {
      for (const { machine, led } of brokers) {
        if (led === undefined || led.size === 0) continue;
        for (const [shard, term] of led) {
          let served = shards.get(shard);
          if (served === undefined) {
            served = new Map<number, string>();
            shards.set(shard, served);
          }
          const before = served.get(term);
          if (before === undefined) served.set(term, machine.name);
          else if (before !== machine.name)
            throw new Violation(`${name}: shard ${shard}, term ${term}: ${before} and ${machine.name}`);
        }
      }
    },
  };
}
