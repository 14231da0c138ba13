import { setTimeout as sleep } from "node:timers/promises";
import { mergedFailures } from "./delivery-bench.ts";
import { openFiles } from "./generator/process-usage.ts";
import { newReceiveCounters, type ReceiveLoad } from "./generator/receive-load.ts";
import type { Address } from "./generator/rpc-client.ts";
import type { SendLoad } from "./generator/send-load.ts";
import { type Figures, Meter, rssBytes, type ServerProcesses } from "./measure.ts";
import { startReceives } from "./receive-bench.ts";
import { newSendCounters, type SendWorkload, startSends, stopAll } from "./send-bench.ts";
import { lowerEnvelope, type Point, type Slope, slopeOf } from "./statistics.ts";

export type SoakWorkload = SendWorkload & {
  readonly group: string;
  /** Where the server tells its heap (Prometheus text); absent: not measured. */
  readonly metricsUrl?: string;
  /** Between two connections, one sender's and one receiver's, that are replaced, milliseconds. */
  readonly churnMs: number;
  readonly measuredMs: number;
};

/** Of one moment; `heapBytes` is the heap in use and memory outside it that it holds (buffers). */
export type SoakSample = { readonly atMs: number; readonly rssBytes: number; readonly heapBytes: number };

export type SoakResult = SoakWorkload &
  Figures & {
    /** Growth of heap and external memory after collections over the last two thirds, bytes an hour, with its 95 % interval; absent: unknown. */
    readonly heapSlope?: Slope;
    /** Resident memory at the end less that after a third, bytes. */
    readonly rssGrowthBytes: number;
    /** Open files and sockets of the server: before the load, and after it when all clients are gone. */
    readonly filesBefore: number;
    readonly filesAfter: number;
    readonly reconnects: number;
    readonly received: number;
    readonly samples: readonly SoakSample[];
  };

/** The lowest figure of such a span is taken for what a collection left. */
const envelopeMs = 30_000;
const sampleMs = 1_000;
/** Until a server has noticed that clients are gone. */
const settleMs = 5_000;

/** Sends and receives at one rate while connections come and go, and watches the server's memory. @throws {Error} when it cannot be reached */
export async function measureSoak(
  address: Address,
  server: ServerProcesses,
  workload: SoakWorkload,
  log: (line: string) => void,
): Promise<SoakResult> {
  const filesBefore = filesOf(server);
  const sent = newSendCounters();
  const got = newReceiveCounters();
  const { topic, group, connections, measuredMs } = workload;
  const receiving = { topic, group, batchSize: 32, connections, inFlight: 2 * connections };
  const receivers = await startReceives(address, receiving, got);
  const senders = await startSends(address, workload, sent);
  const meter = new Meter(server, 0);
  const samples: SoakSample[] = [];
  const churn = new Churn(senders, receivers, workload.churnMs);
  const startMs = performance.now();
  while (performance.now() - startMs < measuredMs) {
    await sleep(sampleMs);
    samples.push({ atMs: performance.now() - startMs, rssBytes: rssBytes(server), heapBytes: await heap(workload) });
    if (samples.length % 60 === 0) log(progress(samples, sent.ok * workload.batch));
  }
  await churn.stop();
  const figures = meter.stop(sent.ok * workload.batch, sent);
  await stopAll([...senders, ...receivers]);
  await sleep(settleMs);
  return {
    ...workload,
    ...figures,
    ...growth(samples, measuredMs),
    filesBefore,
    filesAfter: filesOf(server),
    reconnects: churn.count,
    received: got.received,
    failures: mergedFailures([sent, got]),
    samples,
  };
}

function growth(samples: readonly SoakSample[], measuredMs: number): Pick<SoakResult, "heapSlope" | "rssGrowthBytes"> {
  const late = samples.filter(({ atMs }) => atMs >= measuredMs / 3);
  const rssGrowthBytes = (late.at(-1)?.rssBytes ?? Number.NaN) - (late[0]?.rssBytes ?? Number.NaN);
  const heaps = late.map(({ atMs, heapBytes }): Point => ({ x: atMs, y: heapBytes }));
  const lowest = lowerEnvelope(heaps, Math.min(envelopeMs, measuredMs / 20));
  if (lowest.length < 3 || lowest.some(({ y }) => Number.isNaN(y))) return { rssGrowthBytes };
  const { slope, low, high } = slopeOf(lowest);
  const hourMs = 3_600_000;
  return { rssGrowthBytes, heapSlope: { slope: slope * hourMs, low: low * hourMs, high: high * hourMs } };
}

/** Replaces one sender's and one receiver's connection at a time, in turn. */
class Churn {
  count = 0;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();

  constructor(senders: readonly SendLoad[], receivers: readonly ReceiveLoad[], everyMs: number) {
    let turn = 0;
    this.#timer = setInterval(() => {
      const loads = [senders[turn % senders.length], receivers[turn % receivers.length]];
      turn += 1;
      this.#running = this.#running.then(() => this.#reconnect(loads));
    }, everyMs);
  }

  async #reconnect(loads: readonly (SendLoad | ReceiveLoad | undefined)[]): Promise<void> {
    for (const load of loads) await load?.reconnect();
    this.count += loads.length;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}

async function heap({ metricsUrl }: SoakWorkload): Promise<number> {
  if (metricsUrl === undefined) return Number.NaN;
  const text = await (await fetch(metricsUrl)).text();
  return metric(text, "nodejs_heap_size_used_bytes") + metric(text, "nodejs_external_memory_bytes");
}

/** The value of a metric without labels in Prometheus text; NaN when it is not there. */
function metric(text: string, name: string): number {
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "m").exec(text)?.[1] ?? Number.NaN);
}

function filesOf({ pids }: ServerProcesses): number {
  return pids.reduce((sum, pid) => sum + openFiles(pid), 0);
}

function progress(samples: readonly SoakSample[], messages: number): string {
  const { atMs, rssBytes: rss, heapBytes } = samples.at(-1) ?? { atMs: 0, rssBytes: 0, heapBytes: 0 };
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  return `${(atMs / 60_000).toFixed(0)} min: ${messages} sent, RSS ${mib(rss)} MiB, heap and external ${mib(heapBytes)} MiB`;
}
