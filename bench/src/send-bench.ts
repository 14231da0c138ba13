import { setTimeout as sleep } from "node:timers/promises";
import { LatencyHistogram } from "./generator/latency.ts";
import { cpuSeconds, machineBusySeconds, memory } from "./generator/process-usage.ts";
import type { Address } from "./generator/rpc-client.ts";
import { type SendCounters, SendLoad } from "./generator/send-load.ts";

export type Span = {
  /** Full load before anything counts, milliseconds. */
  readonly warmUpMs: number;
  readonly measuredMs: number;
};

export type SendWorkload = {
  readonly topic: string;
  readonly bodyBytes: number;
  readonly batch: number;
  readonly connections: number;
  /** Requests open at once, over all connections. */
  readonly inFlight: number;
};

/** What both kinds of load report. Times in milliseconds; CPU in seconds per million messages. */
export type Figures = {
  readonly messagesPerSecond: number;
  readonly messages: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly serverCpuPerMillion: number;
  readonly clientCpuPerMillion: number;
  /** CPU cores that everything but server and client used meanwhile: above 0.2 the figures are disturbed. */
  readonly otherCores: number;
  readonly serverRssMaxBytes: number;
  /** Whether the generator used more than nine tenths of its core: then the figure is the client's limit. */
  readonly clientBound: boolean;
  readonly failures: Readonly<Record<string, number>>;
};

export type SendResult = SendWorkload & Figures;

/** Runs one closed-loop send load against the server with process id `pid`. @throws {Error} when it cannot be reached */
export async function measureSend(
  address: Address,
  pid: number,
  workload: SendWorkload,
  span: Span,
): Promise<SendResult> {
  const counters: SendCounters = { ok: 0, failures: new Map(), latency: new LatencyHistogram() };
  const { connections, inFlight } = workload;
  const shares = Array.from({ length: connections }, (_, n) => Math.floor((inFlight + n) / connections));
  const loads = await Promise.all(
    shares.map((share) => SendLoad.start({ ...address, ...workload, inFlight: share }, counters)),
  );
  const figures = await measure(pid, span, counters, () => counters.ok * workload.batch);
  await Promise.all(loads.map((load) => load.stop()));
  return { ...workload, ...figures, failures: Object.fromEntries(counters.failures) };
}

/** Warms up, then measures one span of a load that runs already. `done` counts finished messages. */
export async function measure(
  pid: number,
  { warmUpMs, measuredMs }: Span,
  counters: { readonly latency: LatencyHistogram; readonly failures: ReadonlyMap<string, number> },
  done: () => number,
): Promise<Figures> {
  await sleep(warmUpMs);
  counters.latency.clear();
  const before = reading(pid, done());
  const serverRssMaxBytes = await sampleRss(pid, measuredMs);
  const after = reading(pid, done());
  const seconds = (after.atMs - before.atMs) / 1_000;
  const messages = after.messages - before.messages;
  const server = after.serverCpu - before.serverCpu;
  const client = after.clientCpu - before.clientCpu;
  return {
    messagesPerSecond: messages / seconds,
    messages,
    p50Ms: counters.latency.quantileMs(0.5),
    p99Ms: counters.latency.quantileMs(0.99),
    p999Ms: counters.latency.quantileMs(0.999),
    maxMs: counters.latency.maxMs,
    serverCpuPerMillion: (server / messages) * 1e6,
    clientCpuPerMillion: (client / messages) * 1e6,
    otherCores: Math.max(0, (after.machineBusy - before.machineBusy - server - client) / seconds),
    serverRssMaxBytes,
    clientBound: client / seconds > 0.9,
    failures: Object.fromEntries(counters.failures),
  };
}

function reading(pid: number, messages: number) {
  const { user, system } = process.cpuUsage();
  const clientCpu = (user + system) / 1e6;
  return {
    atMs: performance.now(),
    messages,
    serverCpu: cpuSeconds(pid),
    clientCpu,
    machineBusy: machineBusySeconds(),
  };
}

async function sampleRss(pid: number, spanMs: number): Promise<number> {
  const until = performance.now() + spanMs;
  let largest = 0;
  for (let left = spanMs; left > 0; left = until - performance.now()) {
    await sleep(Math.min(250, left));
    largest = Math.max(largest, memory(pid).rssBytes);
  }
  return largest;
}
