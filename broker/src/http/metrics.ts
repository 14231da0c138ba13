import { addCounters, addGauges, processRegistry, type Reading } from "@saturnmq/kit/metrics";
import type { Metric, Registry } from "prom-client";
import { latencyBoundsMs, type RpcBook, type RpcRow } from "./rpc-book.ts";

/** What `/metrics` shows, read at each scrape. */
export type MetricsSource = {
  readonly rpcs: RpcBook;
  /** Totals that only rise, by camelCase name: `messagesStored` becomes `saturnmq_messages_stored_total`. */
  readonly counters: Reading;
  /** Present values, by camelCase name: `logBytes` becomes `saturnmq_log_bytes`. */
  readonly gauges: Reading;
};

const millisecondsPerSecond = 1_000;

/** A registry that reads `source` whenever it is scraped, and the process's own metrics. */
export function openMetrics(source: MetricsSource): Registry {
  const registry = processRegistry();
  addCounters(registry, "saturnmq", source.counters);
  addGauges(registry, "saturnmq", source.gauges);
  registry.registerMetric(rpcHistogram(source.rpcs));
  return registry;
}

/**
 * The book as a histogram. prom-client's own wants one observation at a time, with labels hashed for each; a registry needs of a metric only its
 * name and `get`.
 */
function rpcHistogram(book: RpcBook): Metric {
  const name = "saturnmq_rpc_duration_seconds";
  const metric = {
    name,
    help: "Time from a call's arrival to its last reply, by call and status code. Receives include their waiting time.",
    type: "histogram",
    aggregator: "sum",
    get: () => Promise.resolve({ ...metric, values: book.rows().flatMap((row) => series(name, row)) }),
    reset: () => undefined,
  };
  return metric as unknown as Metric;
}

function series(name: string, row: RpcRow): { metricName: string; labels: Record<string, string>; value: number }[] {
  const labels = { rpc: row.rpc, code: String(row.code) };
  let below = 0;
  const buckets = row.buckets.map((count, at) => {
    below += count;
    const bound = latencyBoundsMs[at];
    const le = bound === undefined ? "+Inf" : String(bound / millisecondsPerSecond);
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: row.sumMs / millisecondsPerSecond },
    { metricName: `${name}_count`, labels, value: row.count },
  ];
}
