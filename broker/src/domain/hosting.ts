import type { ShardInfo } from "@saturnmq/wire";

/** What a broker holds of a shard. */
export type Held = {
  /** Its log knows a configuration, or anything else of the shard. */
  readonly known: boolean;
  /** Placement revision of the newest configuration in its log; 0 when it knows none. */
  readonly revision: number;
  /** Generation of the Raft term that it knows. */
  readonly generation: number;
};

/**
 * - `found`: open an empty replica with the shard's first configuration. Only who never voted may.
 * - `force`: go on alone with what is there, as an operator ordered.
 * - `writtenOff`: an operator ordered that another replica goes on without this one: close it, and keep it closed.
 * - `open`: open what is there; an empty replica waits until a leader speaks to it.
 * - `drop`: the shard has moved away: close the replica, and give its entries up.
 * - `ignore`: the shard is none of this broker's.
 */
export type Hosting =
  | { readonly kind: "found"; readonly voters: readonly number[] }
  | { readonly kind: "force" | "writtenOff" | "open" | "drop" | "ignore" };

/** What a broker is to do about a shard, by where the name server says that it is and is to be. */
export function decideHosting(self: number, info: ShardInfo, held: Held): Hosting {
  // What it holds may contradict what the survivor has committed since: it must not even learn from it.
  if (held.known && held.generation < info.forced.generation)
    return { kind: self === info.forced.survivor ? "force" : "writtenOff" };
  const isMember = [info.voters, info.outgoing, info.learners, info.target.voters].some((ids) => ids.includes(self));
  if (isMember) {
    if (!held.known && info.founders.includes(self)) return { kind: "found", voters: info.firstVoters };
    return { kind: "open" };
  }
  if (!held.known) return { kind: "ignore" };
  // A configuration that is ahead of the name server's word: what it says of the shard is old.
  return held.revision > Math.max(info.revision, info.target.revision) ? { kind: "open" } : { kind: "drop" };
}
