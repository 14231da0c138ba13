import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { LatencyHistogram } from "./generator/latency.ts";
import {
  contextSwitches,
  cpuSeconds,
  type DiskUsage,
  diskUsage,
  machineCpu,
  memory,
} from "./generator/process-usage.ts";

const samplePeriodMs = 250;

export type Span = {
  /** Full load before anything counts, milliseconds. */
  readonly warmUpMs: number;
  readonly measuredMs: number;
};

/** The server's processes on this machine, whose use of it is reported. Of a server elsewhere nothing is known: no pids. */
export type ServerProcesses = {
  readonly pids: readonly number[];
  /** On the disk whose flushes and written bytes count as the server's. */
  readonly folder?: string;
};

/** What every kind of load reports. Times in milliseconds; CPU in seconds per million messages. What is not known is NaN. */
export type Figures = {
  readonly messagesPerSecond: number;
  readonly messages: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly serverCpuPerMillion: number;
  readonly clientCpuPerMillion: number;
  readonly serverSwitchesPerMessage: number;
  /** Flushes of the disk's write cache: what a message costs in waits for the disk. */
  readonly syncsPerMessage: number;
  readonly diskBytesPerMessage: number;
  /** CPU cores that everything but server and client used meanwhile: above 0.2 the figures are disturbed. */
  readonly otherCores: number;
  /** Share of the machine's CPU time, 0 to 1, that its host kept for others: above 0.02 absolute figures do not count. */
  readonly stealShare: number;
  readonly serverRssMaxBytes: number;
  /** Whether the generator used more than nine tenths of its core: then the figure is the client's limit. */
  readonly clientBound: boolean;
  readonly failures: Readonly<Record<string, number>>;
};

/** What a load counts. */
export type Counters = { readonly latency: LatencyHistogram; readonly failures: ReadonlyMap<string, number> };

/** Warms up, then measures one span of a load that runs already. `done` counts finished messages. */
export async function measure(
  server: ServerProcesses,
  { warmUpMs, measuredMs }: Span,
  counters: Counters,
  done: () => number,
): Promise<Figures> {
  await sleep(warmUpMs);
  counters.latency.clear();
  const meter = new Meter(server, done());
  await sleep(measuredMs);
  return meter.stop(done(), counters);
}

/** Runs from its making until it is stopped. */
export class Meter {
  readonly #server: ServerProcesses;
  readonly #before: Reading;
  readonly #sampling: NodeJS.Timeout;
  #rssMaxBytes = Number.NEGATIVE_INFINITY;

  /** @param messages how many were finished before */
  constructor(server: ServerProcesses, messages: number) {
    this.#server = server;
    this.#before = reading(server, messages);
    this.#sampling = setInterval(() => {
      this.#sample();
    }, samplePeriodMs);
  }

  /** @param messages how many are finished now, counted as before */
  stop(messages: number, { latency, failures }: Counters): Figures {
    clearInterval(this.#sampling);
    this.#sample();
    return {
      ...between(this.#before, reading(this.#server, messages)),
      p50Ms: latency.quantileMs(0.5),
      p99Ms: latency.quantileMs(0.99),
      p999Ms: latency.quantileMs(0.999),
      maxMs: latency.maxMs,
      serverRssMaxBytes: this.#rssMaxBytes,
      failures: Object.fromEntries(failures),
    };
  }

  #sample(): void {
    this.#rssMaxBytes = Math.max(this.#rssMaxBytes, rssBytes(this.#server));
  }
}

/** Resident memory of a server's processes together, bytes; NaN when it has none here. */
export function rssBytes({ pids }: ServerProcesses): number {
  return total(pids, (pid) => memory(pid).rssBytes);
}

type Reading = ReturnType<typeof reading>;

const unknownDisk: DiskUsage = { writtenBytes: Number.NaN, flushes: Number.NaN };

function reading({ pids, folder }: ServerProcesses, messages: number) {
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    messages,
    serverCpu: total(pids, cpuSeconds),
    clientCpu: (user + system) / 1e6,
    switches: total(pids, contextSwitches),
    disk: folder === undefined ? unknownDisk : diskUsage(folder),
    machine: machineCpu(),
  };
}

function between(before: Reading, after: Reading) {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const messages = after.messages - before.messages;
  const server = after.serverCpu - before.serverCpu;
  const client = after.clientCpu - before.clientCpu;
  const busy = after.machine.busySeconds - before.machine.busySeconds;
  return {
    messagesPerSecond: messages / seconds,
    messages,
    serverCpuPerMillion: (server / messages) * 1e6,
    clientCpuPerMillion: (client / messages) * 1e6,
    serverSwitchesPerMessage: (after.switches - before.switches) / messages,
    syncsPerMessage: (after.disk.flushes - before.disk.flushes) / messages,
    diskBytesPerMessage: (after.disk.writtenBytes - before.disk.writtenBytes) / messages,
    otherCores: Math.max(0, (busy - (Number.isNaN(server) ? 0 : server) - client) / seconds),
    stealShare: (after.machine.stealSeconds - before.machine.stealSeconds) / seconds / cpus().length,
    clientBound: client / seconds > 0.9,
  };
}

/** Of all processes together; NaN when there are none. */
function total(pids: readonly number[], of: (pid: number) => number): number {
  return pids.length === 0 ? Number.NaN : pids.reduce((sum, pid) => sum + of(pid), 0);
}
