import { SaturnError } from "@saturnmq/kit";
import type { AdminMethods } from "@saturnmq/wire";
import { clusterOf } from "./brokers.ts";
import type { Presence } from "./presence.ts";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import { isMajority, membersOf } from "./shards.ts";
import type { Broker, MetadataState } from "./state.ts";

type Verb = { readonly requestId: string; readonly broker: number };

/** Most shards that a message names. */
const namedMax = 10;

/**
 * Has a broker emptied.
 *
 * @throws {SaturnError} `NOT_FOUND` for an unknown broker; `FAILED_PRECONDITION` when fewer brokers than a shard has voters would be left
 */
export function decideDrain(state: MetadataState, { requestId, broker: id }: Verb): Decision<undefined> {
  if (finishedBefore(state, requestId, `drain ${id}`) !== undefined) return { records: [], reply: undefined };
  const broker = knownBroker(state, id);
  const { replicationFactor } = clusterOf(state);
  const left = [...state.brokers.values()].filter((other) => {
    return other.id !== id && other.alive && other.confirmed && !other.draining && !other.removed;
  });
  if (!broker.draining && left.length < replicationFactor) {
    throw new SaturnError(
      "FAILED_PRECONDITION",
      `broker ${id} cannot be drained: each shard has ${replicationFactor} voters on different brokers, and only ${left.length} others are up ` +
        "and not draining; add brokers or cancel another drain first",
    );
  }
  return { records: [{ kind: "brokerDraining", requestId, id, draining: true }], reply: undefined };
}

/** Lets a broker take replicas and leaders again. @throws {SaturnError} `NOT_FOUND` for an unknown broker */
export function decideCancelDrain(state: MetadataState, { requestId, broker: id }: Verb): Decision<undefined> {
  if (finishedBefore(state, requestId, `cancelDrain ${id}`) !== undefined) return { records: [], reply: undefined };
  knownBroker(state, id);
  return { records: [{ kind: "brokerDraining", requestId, id, draining: false }], reply: undefined };
}

/** Has a broker lead nothing until it has restarted. @throws {SaturnError} `NOT_FOUND` for an unknown broker */
export function decideTransferLeaders(state: MetadataState, { requestId, broker: id }: Verb): Decision<undefined> {
  if (finishedBefore(state, requestId, `transferLeaders ${id}`) !== undefined) return { records: [], reply: undefined };
  knownBroker(state, id);
  return { records: [{ kind: "brokerLeadersAway", requestId, id }], reply: undefined };
}

/** Ends the time without leaders of brokers that never restarted. */
export function decideWelcome(state: MetadataState, overdue: readonly number[]): Decision<undefined> {
  const ids = overdue.filter((id) => state.brokers.get(id)?.leadersAway === true);
  return { records: ids.length === 0 ? [] : [{ kind: "brokersWelcome", ids }], reply: undefined };
}

/**
 * Refuses a broker's id for ever.
 *
 * @throws {SaturnError} `NOT_FOUND` for an unknown broker; `FAILED_PRECONDITION` while it lives, or has a part in a shard
 */
export function decideForget(state: MetadataState, { requestId, broker: id }: Verb): Decision<undefined> {
  if (finishedBefore(state, requestId, `forget ${id}`) !== undefined) return { records: [], reply: undefined };
  const broker = knownBroker(state, id);
  const held = heldBy(state, id);
  if (held.length > 0) {
    throw new SaturnError(
      "FAILED_PRECONDITION",
      `broker ${id} has a part in ${named(held)}: drain it and wait until it holds nothing`,
    );
  }
  if (broker.alive) {
    throw new SaturnError("FAILED_PRECONDITION", `broker ${id} still runs: stop it and wait until it is down`);
  }
  return { records: [{ kind: "brokerForgotten", requestId, id }], reply: undefined };
}

/** Shards that a broker is a member of, or is to be. */
export function heldBy({ shards }: MetadataState, id: number): readonly number[] {
  return shards.filter((shard) => membersOf(shard).has(id)).map(({ shard }) => shard);
}

/** Each shard that could commit nothing if the broker stopped now. @throws {SaturnError} `NOT_FOUND` for an unknown broker */
export function restartSafety(
  state: MetadataState,
  presence: Presence,
  id: number,
  nowMs: number,
): AdminMethods["RestartSafety"]["reply"] {
  knownBroker(state, id);
  const shards = state.shards.flatMap(({ shard, voters, outgoing }) => {
    if (!voters.includes(id) && !outgoing.includes(id)) return [];
    const reliable = presence.reliable(state, shard, nowMs);
    if (reliable === undefined) return [{ shard, reason: "no leader has told of it lately" }];
    const stays = (voter: number): boolean => voter !== id && reliable.has(voter);
    if (isMajority(voters, stays) && isMajority(outgoing, stays)) return [];
    const left = [...new Set([...voters, ...outgoing])].filter(stays);
    const rest = left.length === 0 ? "none" : left.join(", ");
    return [{ shard, reason: `of voters ${voters.join(", ")} only ${rest} would be up and caught up` }];
  });
  return { safe: shards.length === 0, shards };
}

/**
 * Checks that a shard can be asked to hand over to a broker, and answers who is to.
 *
 * @throws {SaturnError} `NOT_FOUND` for an unknown shard or broker; `FAILED_PRECONDITION` when it cannot lead
 */
export function checkTransfer(state: MetadataState, shard: number, to: number): { readonly from: number } {
  const row = state.shards[shard];
  if (row === undefined) throw unknownShard(state, shard);
  const broker = knownBroker(state, to);
  const fail = (why: string): SaturnError =>
    new SaturnError("FAILED_PRECONDITION", `broker ${to} cannot lead shard ${shard}: ${why}`);
  if (!row.voters.includes(to)) throw fail(`it is no voter; the voters are ${row.voters.join(", ")}`);
  if (!broker.alive) throw fail("it is down");
  if (broker.draining || broker.leadersAway) throw fail("it is to lead nothing: it is being drained or restarted");
  if (state.brokers.get(row.leaderHint)?.alive !== true) throw fail("the shard has no leader now that could hand over");
  return { from: row.leaderHint };
}

/** @throws {SaturnError} `NOT_FOUND` for one that never registered or was removed */
function knownBroker(state: MetadataState, id: number): Broker {
  const broker = state.brokers.get(id);
  if (broker !== undefined && !broker.removed) return broker;
  const ids = [...state.brokers.values()].filter(({ removed }) => !removed).map((other) => other.id);
  const known = ids.length === 0 ? "none is known" : `known are ${ids.slice(0, namedMax).join(", ")}`;
  const why = broker === undefined ? "there is no broker" : "the cluster has forgotten broker";
  throw new SaturnError("NOT_FOUND", `${why} ${id}: ${known}`);
}

export function unknownShard({ shards }: MetadataState, shard: number): SaturnError {
  const known = shards.length === 0 ? "none is placed yet" : `there are 0 to ${shards.length - 1}`;
  return new SaturnError("NOT_FOUND", `there is no shard ${shard}: ${known}`);
}

function named(shards: readonly number[]): string {
  const more = shards.length > namedMax ? ` and ${shards.length - namedMax} more` : "";
  return `shard${shards.length === 1 ? "" : "s"} ${shards.slice(0, namedMax).join(", ")}${more}`;
}
