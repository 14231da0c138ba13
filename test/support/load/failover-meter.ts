import { acknowledgedPlace } from "../check/check-sends.ts";
import { Findings } from "../check/findings.ts";
import type { History } from "../check/history.ts";
import { placesOf } from "../check/places.ts";
import { spreadOf } from "../check/report.ts";

/** A member that went, and the shards that it led then. Milliseconds as of `nowMs`. */
export type Kill = { readonly member: string; readonly atMs: number; readonly shards: readonly number[] };

/** An acknowledged send. */
export type Success = { readonly shard: number; readonly invokedMs: number; readonly endedMs: number };

/** How long one shard took no sends because of one kill. */
export type Failover = {
  readonly member: string;
  readonly shard: number;
  /** From the kill to the first acknowledgement of a send that began after it: whatever ended before may have been the dead leader's word. */
  readonly ms: number | undefined;
  /** Longest wait between acknowledgements of the shard in the second before: no figure is better than that. */
  readonly resolutionMs: number | undefined;
};

/** How long before a kill the shard's acknowledgements are looked at. */
const beforeMs = 1_000;

/** An acknowledged send and where it is. Milliseconds as of `nowMs`. */
export type PlacedSend = {
  readonly queue: number;
  readonly offset: number;
  readonly invokedMs: number;
  readonly endedMs: number;
};

/** Acknowledged sends with their queues. An acknowledgement tells none; where the message was seen later does. */
export function placedSends(history: History): readonly PlacedSend[] {
  const places = placesOf(history, new Findings());
  return history.sends.flatMap((send) => {
    const { queue, offset = 0 } = acknowledgedPlace(send, places) ?? {};
    const { invokedMs, endedMs } = send;
    return queue === undefined ? [] : [{ queue, offset, invokedMs, endedMs }];
  });
}

/**
 * Acknowledged sends with their shards.
 *
 * @param shardOf of a queue of the topic: shard `(hash(topic id) + queue) mod shards` (design 2)
 */
export function successesOf(history: History, shardOf: (queue: number) => number): readonly Success[] {
  return placedSends(history).map(({ queue, invokedMs, endedMs }) => ({ shard: shardOf(queue), invokedMs, endedMs }));
}

/** A failover for each shard of each kill. A shard without a success until the next kill has no figure. */
export function failoversOf(kills: readonly Kill[], successes: readonly Success[]): readonly Failover[] {
  const shards = new Map<number, Success[]>();
  for (const success of successes) {
    const list = shards.get(success.shard) ?? [];
    shards.set(success.shard, list);
    list.push(success);
  }
  for (const list of shards.values()) list.sort((a, b) => a.endedMs - b.endedMs);
  return kills.flatMap(({ member, atMs, shards: led }, nth) => {
    const untilMs = kills[nth + 1]?.atMs ?? Number.POSITIVE_INFINITY;
    return led.map((shard): Failover => {
      const of = shards.get(shard) ?? [];
      const first = of.find(({ invokedMs, endedMs }) => invokedMs >= atMs && endedMs < untilMs);
      return { member, shard, ms: first && first.endedMs - atMs, resolutionMs: longestGap(of, atMs) };
    });
  });
}

function longestGap(successes: readonly Success[], atMs: number): number | undefined {
  const times = successes
    .map(({ endedMs }) => endedMs)
    .filter((endedMs) => endedMs > atMs - beforeMs && endedMs <= atMs);
  if (times.length < 2) return undefined;
  return Math.max(...times.slice(1).map((endedMs, at) => endedMs - (times[at] ?? endedMs)));
}

/** A line for each member, and one for all: kills, shards, median and worst, shards that never came back, resolution. */
export function failoverTable(failovers: readonly Failover[], kills: readonly Kill[]): string {
  const members = [...new Set(kills.map(({ member }) => member))];
  const rows = [...members.map((member) => [member] as const), members].map((of) => {
    const own = failovers.filter(({ member }) => of.includes(member));
    const spread = spreadOf(own.flatMap(({ ms }) => (ms === undefined ? [] : [ms])));
    const resolution = spreadOf(own.flatMap(({ resolutionMs }) => (resolutionMs === undefined ? [] : [resolutionMs])));
    const never = own.filter(({ ms }) => ms === undefined).length;
    const killed = kills.filter(({ member }) => of.includes(member)).length;
    const name = of === members ? "all" : of.join();
    return [name, killed, own.length, spread?.median ?? "-", spread?.worst ?? "-", never, resolution?.worst ?? "-"];
  });
  const head = ["member", "kills", "shards", "median ms", "worst ms", "never", "resolution ms"];
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
