import { LatencyHistogram } from "./generator/latency.ts";
import { type ReceiveCounters, ReceiveLoad, SeenOffsets } from "./generator/receive-load.ts";
import type { Address } from "./generator/rpc-client.ts";
import { type Figures, measure, type Span } from "./send-bench.ts";

export type ReceiveWorkload = {
  readonly topic: string;
  /** A fresh one: it starts at the beginning of the backlog. */
  readonly group: string;
  readonly batchSize: number;
  readonly connections: number;
  /** ReceiveMessage calls open at once, over all connections. */
  readonly inFlight: number;
};

/** Messages count when their ack was answered; latencies are those of a ReceiveMessage. */
export type ReceiveResult = ReceiveWorkload & Figures & { readonly emptyReceives: number };

/** Drains a backlog: receive, check, acknowledge. @throws {Error} when the server cannot be reached or refuses the session */
export async function measureReceive(
  address: Address,
  pid: number,
  workload: ReceiveWorkload,
  span: Span,
): Promise<ReceiveResult> {
  const { connections, inFlight } = workload;
  const seen = new SeenOffsets();
  const latency = new LatencyHistogram();
  const counters: ReceiveCounters = {
    acked: 0,
    received: 0,
    receives: 0,
    empty: 0,
    failures: new Map(),
    latency,
    seen,
  };
  const loads: ReceiveLoad[] = [];
  for (let n = 0; n < connections; n += 1) {
    const share = Math.floor((inFlight + n) / connections);
    loads.push(await ReceiveLoad.start({ ...address, ...workload, inFlight: share, pollMs: 1_000 }, counters));
  }
  const figures = await measure(pid, span, counters, () => counters.acked);
  const emptyReceives = counters.empty; // Before the end, when the backlog may run dry without harm.
  await Promise.all(loads.map((load) => load.stop()));
  return { ...workload, ...figures, emptyReceives, failures: Object.fromEntries(counters.failures) };
}
