import { newReceiveCounters, type ReceiveCounters, ReceiveLoad } from "./generator/receive-load.ts";
import type { Address } from "./generator/rpc-client.ts";
import { type Figures, measure, type ServerProcesses, type Span } from "./measure.ts";
import { shares, startedTogether, stopAll } from "./send-bench.ts";

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
export type ReceiveResult = ReceiveWorkload &
  Figures & {
    readonly emptyReceives: number;
    /** Bytes of a body, on average. */
    readonly bodyBytes: number;
  };

/** How long a server may hold a receive that finds nothing, milliseconds. */
const pollMs = 1_000;

/** Drains a backlog: receive, check, acknowledge. @throws {Error} when the server cannot be reached or refuses the session */
export async function measureReceive(
  address: Address,
  server: ServerProcesses,
  workload: ReceiveWorkload,
  span: Span,
): Promise<ReceiveResult> {
  const counters = newReceiveCounters();
  const loads = await startReceives(address, workload, counters);
  const figures = await measure(server, span, counters, () => counters.acked);
  const emptyReceives = counters.empty; // Before the end, when the backlog may run dry without harm.
  await stopAll(loads);
  const bodyBytes = counters.bytes / counters.received;
  return { ...workload, ...figures, emptyReceives, bodyBytes, failures: Object.fromEntries(counters.failures) };
}

/** Starts the connections of one workload, which share its receives in flight. @throws {Error} as measureReceive */
export async function startReceives(
  address: Address,
  { topic, group, batchSize, connections, inFlight }: ReceiveWorkload,
  counters: ReceiveCounters,
): Promise<readonly ReceiveLoad[]> {
  const starts = shares(inFlight, connections).map((share) =>
    ReceiveLoad.start({ ...address, topic, group, batchSize, inFlight: share, pollMs }, counters),
  );
  return startedTogether(starts);
}
