import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from "prom-client";
import { latencyBoundsMs, type RpcBook, type RpcRow } from "./rpc-book.ts";

/** Values by camelCase name. */
type Reading = () => Readonly<Record<string, number>>;

/** What `/metrics` shows, read at each scrape. */
export type MetricsSource = {
  readonly rpcs: RpcBook;
  /** Totals that only rise, by camelCase name: `messagesStored` becomes `saturnmq_messages_stored_total`. */
  readonly counters: Reading;
  /** Present values, by camelCase name: `logBytes` becomes `saturnmq_log_bytes`. */
  readonly gauges: Reading;
};

const millisecondsPerSecond = 1_000;

/** A registry that reads `source` whenever it is scraped, and the process's own metrics (memory, CPU, event-loop delay, garbage collection). */
export function openMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = onceATurn(source.counters);
  const gauges = onceATurn(source.gauges);
  for (const name of Object.keys(counters())) addCounter(registry, name, counters);
  for (const name of Object.keys(gauges())) addGauge(registry, name, gauges);
  registry.registerMetric(rpcHistogram(source.rpcs));
  return registry;
}

/** A registry collects all its metrics in one turn: what a broker has to add up for one of them is added up for all. */
function onceATurn(read: Reading): Reading {
  let values: Readonly<Record<string, number>> | undefined;
  return () => {
    if (values !== undefined) return values;
    queueMicrotask(() => {
      values = undefined;
    });
    return (values = read());
  };
}

function addCounter(registry: Registry, name: string, counters: Reading): void {
  new Counter({
    name: `saturnmq_${snake(name)}_total`,
    help: `Total of ${words(name)} since the process started.`,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(counters()[name] ?? 0);
    },
  });
}

function addGauge(registry: Registry, name: string, gauges: Reading): void {
  new Gauge({
    name: `saturnmq_${snake(name)}`,
    help: `Present ${words(name)}.`,
    registers: [registry],
    collect() {
      this.set(gauges()[name] ?? 0);
    },
  });
}

function words(camelCase: string): string {
  return camelCase.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function snake(camelCase: string): string {
  return words(camelCase).replaceAll(" ", "_");
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
