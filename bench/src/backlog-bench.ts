import { setTimeout as sleep } from "node:timers/promises";
import { newReceiveCounters } from "./generator/receive-load.ts";
import type { Address } from "./generator/rpc-client.ts";
import { type Figures, Meter, type ServerProcesses } from "./measure.ts";
import { type ReceiveWorkload, startReceives } from "./receive-bench.ts";
import { newSendCounters, startSends, stopAll } from "./send-bench.ts";

export type BacklogWorkload = ReceiveWorkload & {
  readonly bodyBytes: number;
  /** Bodies stored before the first of them is received, bytes. */
  readonly backlogBytes: number;
};

/** Messages count when their ack was answered. */
export type BacklogResult = BacklogWorkload & Figures & { readonly bodyBytesPerSecond: number };

/** Of a request with several messages; what a DATA frame's window surely takes. */
const requestBytes = 32 * 1_024;
const stallMs = 15_000;

/** Stores a backlog, then drains it to the last message. @throws {Error} when it does not grow, or does not shrink */
export async function measureBacklog(
  address: Address,
  server: ServerProcesses,
  workload: BacklogWorkload,
  log: (line: string) => void,
): Promise<BacklogResult> {
  // A group that is new after the messages may start behind them, by the rules of the server.
  await stopAll(await startReceives(address, { ...workload, connections: 1, inFlight: 1 }, newReceiveCounters()));
  const messages = await fill(address, workload, log);
  const counters = newReceiveCounters();
  const meter = new Meter(server, 0);
  const loads = await startReceives(address, workload, counters);
  await growsTo(messages, () => counters.acked, log, `received, of ${messages.toLocaleString("en")} messages`);
  const figures = meter.stop(counters.acked, counters);
  await stopAll(loads);
  return { ...workload, ...figures, bodyBytesPerSecond: figures.messagesPerSecond * workload.bodyBytes };
}

/** @returns messages stored */
async function fill(
  address: Address,
  { topic, bodyBytes, backlogBytes }: BacklogWorkload,
  log: (line: string) => void,
): Promise<number> {
  const batch = Math.max(1, Math.min(32, Math.floor(requestBytes / (bodyBytes + 256))));
  const counters = newSendCounters();
  const loads = await startSends(address, { topic, bodyBytes, batch, connections: 2, inFlight: 64 }, counters);
  const wanted = Math.ceil(backlogBytes / bodyBytes);
  await growsTo(wanted, () => counters.ok * batch, log, `stored, of ${wanted.toLocaleString("en")} messages`);
  await stopAll(loads);
  if (counters.failures.size > 0)
    throw new Error(`the backlog was not stored: ${JSON.stringify([...counters.failures])}`);
  return counters.ok * batch;
}

async function growsTo(wanted: number, count: () => number, log: (line: string) => void, what: string): Promise<void> {
  let last = { count: -1, atMs: performance.now() };
  for (let turn = 1; count() < wanted; turn += 1) {
    await sleep(10);
    if (turn % 500 === 0) log(`${count().toLocaleString("en")} ${what}`);
    if (count() > last.count) last = { count: count(), atMs: performance.now() };
    else if (performance.now() - last.atMs > stallMs)
      throw new Error(`${count()} ${what}, and no more for ${stallMs / 1_000} s`);
  }
}
