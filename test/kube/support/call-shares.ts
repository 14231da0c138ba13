import { setTimeout as sleep } from "node:timers/promises";
import type { PodProcess } from "./pod-process.ts";

/** Percent of all SendMessage calls that each broker takes meanwhile, by the name of its pod. */
export async function callShares(
  brokers: readonly PodProcess[],
  forMs: number,
): Promise<Readonly<Record<string, number>>> {
  const before = await Promise.all(brokers.map(callsAt));
  await sleep(forMs);
  const after = await Promise.all(brokers.map(callsAt));
  const calls = after.map((count, at) => count - (before[at] ?? 0));
  const all = calls.reduce((sum, count) => sum + count, 0);
  return Object.fromEntries(
    brokers.map(({ pod }, at) => [pod.metadata.name, Math.round((1_000 * (calls[at] ?? 0)) / all) / 10]),
  );
}

async function callsAt({ ip }: PodProcess): Promise<number> {
  const response = await fetch(`http://${ip}:9090/metrics`);
  const counts = (await response.text()).matchAll(
    /^saturnmq_rpc_duration_seconds_count\{rpc="SendMessage"[^}]*\} (\d+)/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}
