import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { timerLateness } from "./system-clock.ts";

/** Values by camelCase name. */
export type Reading = () => Readonly<Record<string, number>>;

/** Longer than any process lives: what samples at this interval never does. Milliseconds. */
const neverMs = 2 ** 31 - 1;
const microsecondsPerSecond = 1_000_000;

/** A registry with the process's own metrics: memory, CPU, garbage collection, the event loop's delay. */
export function processRegistry(): Registry {
  const registry = new Registry();
  // Its own measure of the event loop's delay is a timer that wakes an idle process a hundred times a second, half of what such a broker used.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: neverMs });
  for (const { name } of registry.getMetricsAsArray())
    if (name.startsWith("nodejs_eventloop_lag")) registry.removeSingleMetric(name);
  addGauges(registry, "nodejs_eventloop_lag", eventLoopLag, " that timers came late, since the scrape before");
  return registry;
}

function eventLoopLag(): Readonly<Record<string, number>> {
  const seconds = (microseconds: number): number => microseconds / microsecondsPerSecond;
  const lag = {
    p50Seconds: seconds(timerLateness.percentile(50)),
    p90Seconds: seconds(timerLateness.percentile(90)),
    p99Seconds: seconds(timerLateness.percentile(99)),
    maxSeconds: seconds(timerLateness.max),
  };
  timerLateness.reset();
  return lag;
}

/** Totals that only rise, read at each scrape: `messagesStored` becomes `<prefix>_messages_stored_total`. */
export function addCounters(registry: Registry, prefix: string, read: Reading): void {
  const reading = onceATurn(read);
  for (const name of Object.keys(reading()))
    new Counter({
      name: `${prefix}_${snake(name)}_total`,
      help: `Total of ${words(name)} since the process started.`,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(reading()[name] ?? 0);
      },
    });
}

/**
 * Present values, read at each scrape: `logBytes` becomes `<prefix>_log_bytes`.
 *
 * @param of what the help text says after the name
 */
export function addGauges(registry: Registry, prefix: string, read: Reading, of = ""): void {
  const reading = onceATurn(read);
  for (const name of Object.keys(reading()))
    new Gauge({
      name: `${prefix}_${snake(name)}`,
      help: `Present ${words(name)}${of}.`,
      registers: [registry],
      collect() {
        this.set(reading()[name] ?? 0);
      },
    });
}

/** A registry collects all its metrics in one turn: what has to be added up for one of them is added up for all. */
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

function words(camelCase: string): string {
  return camelCase.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function snake(camelCase: string): string {
  return words(camelCase).replaceAll(" ", "_");
}
