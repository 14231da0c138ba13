import { LatencyHistogram } from "./generator/latency.ts";
import type { Address } from "./generator/rpc-client.ts";
import { type SendCounters, SendLoad, type SendLoadOptions } from "./generator/send-load.ts";
import { type Figures, measure, type ServerProcesses, type Span } from "./measure.ts";

export type SendWorkload = {
  readonly topic: string;
  readonly bodyBytes: number;
  readonly batch: number;
  readonly connections: number;
  /** Requests open at once, over all connections; in an open loop the most that may be. */
  readonly inFlight: number;
  /** Of an open loop: messages a second. */
  readonly perSecond?: number;
};

export type SendResult = SendWorkload & Figures;

/** Runs one send load, closed or open, against the server with these processes. @throws {Error} when it cannot be reached */
export async function measureSend(
  address: Address,
  server: ServerProcesses,
  workload: SendWorkload,
  span: Span,
): Promise<SendResult> {
  const counters = newSendCounters();
  const loads = await startSends(address, workload, counters);
  const figures = await measure(server, span, counters, () => counters.ok * workload.batch);
  await stopAll(loads);
  return { ...workload, ...figures, failures: Object.fromEntries(counters.failures) };
}

export function newSendCounters(): SendCounters {
  return { ok: 0, failures: new Map(), latency: new LatencyHistogram() };
}

/** Starts the connections of one workload, which share its requests in flight and its rate. @throws {Error} when the server cannot be reached */
export async function startSends(
  address: Address,
  workload: SendWorkload,
  counters: SendCounters,
  more: Pick<SendLoadOptions, "times" | "giveUpAfterMs"> = {},
): Promise<readonly SendLoad[]> {
  const { topic, bodyBytes, batch, connections, inFlight, perSecond } = workload;
  const rate = perSecond === undefined ? {} : { perSecond: perSecond / batch / connections };
  const starts = shares(inFlight, connections).map((share) =>
    SendLoad.start({ ...address, topic, bodyBytes, batch, inFlight: share, ...rate, ...more }, counters),
  );
  return startedTogether(starts);
}

type Stoppable = { stop(): Promise<void> };

/** All of them, or none. @throws {Error} the first failure, after those that did start have been stopped */
export async function startedTogether<Load extends Stoppable>(
  starts: readonly Promise<Load>[],
): Promise<readonly Load[]> {
  const settled = await Promise.allSettled(starts);
  const loads = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const failed = settled.find((each) => each.status === "rejected");
  if (failed === undefined) return loads;
  await stopAll(loads);
  throw failed.reason instanceof Error ? failed.reason : new Error(String(failed.reason));
}

/** Stops the loads of a workload. */
export async function stopAll(loads: readonly Stoppable[]): Promise<void> {
  await Promise.all(loads.map((load) => load.stop()));
}

/** `total` in `parts` whole shares that differ by at most one. */
export function shares(total: number, parts: number): readonly number[] {
  return Array.from({ length: parts }, (_, n) => Math.floor((total + n) / parts));
}
