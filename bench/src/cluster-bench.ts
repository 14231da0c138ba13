import { setTimeout as sleep } from "node:timers/promises";
import { cpuSeconds, diskUsage } from "./generator/process-usage.ts";
import type { Address } from "./generator/rpc-client.ts";
import { type Figures, measure, type Span } from "./measure.ts";
import { clusterPorts, type Placed, type ProcessCluster } from "./process/process-cluster.ts";
import { newSendCounters, type SendWorkload, shares, startSends, stopAll } from "./send-bench.ts";

/** Brokers that a load goes to, and those that only follow. */
export type BrokerProcesses = {
  readonly called: readonly { readonly address: Address; readonly pid: number }[];
  readonly others: readonly number[];
};

export type ClusterFigures = Figures & {
  /** CPU seconds per million messages, of one broker on average; NaN where there is none. */
  readonly calledCpuPerMillion: number;
  readonly otherCpuPerMillion: number;
};

/** Runs one closed-loop send load, its requests spread over the called brokers. @throws {Error} when one cannot be reached */
export async function measureClusterSend(
  { called, others }: BrokerProcesses,
  workload: SendWorkload,
  { warmUpMs, measuredMs }: Span,
): Promise<ClusterFigures> {
  const counters = newSendCounters();
  const { inFlight, connections } = workload;
  const parts = shares(inFlight, called.length).flatMap((part, at) => {
    const broker = called[at];
    return part === 0 || broker === undefined ? [] : [{ part, address: broker.address }];
  });
  const starts = parts.map(({ part, address }) =>
    startSends(address, { ...workload, inFlight: part, connections: Math.min(connections, part) }, counters),
  );
  const loads = (await Promise.all(starts)).flat();
  await sleep(warmUpMs);
  const [calledPids, otherPids] = [called.map(({ pid }) => pid), others];
  const before = [cpuOf(calledPids), cpuOf(otherPids)] as const;
  const span = { warmUpMs: 0, measuredMs };
  const figures = await measure(
    { pids: [...calledPids, ...otherPids] },
    span,
    counters,
    () => counters.ok * workload.batch,
  );
  const perMillion = (pids: readonly number[], cpuBefore: number): number =>
    ((cpuOf(pids) - cpuBefore) / pids.length / figures.messages) * 1e6;
  const calledCpuPerMillion = perMillion(calledPids, before[0]);
  const otherCpuPerMillion = perMillion(otherPids, before[1]);
  await stopAll(loads);
  return { ...figures, calledCpuPerMillion, otherCpuPerMillion, failures: Object.fromEntries(counters.failures) };
}

function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

/** What members do while nobody calls, each on average. */
export type IdleCluster = {
  readonly shards: number;
  /** Percent of a core. */
  readonly brokerCpuPercent: number;
  readonly worstBrokerCpuPercent: number;
  readonly nameServerCpuPercent: number;
  /** Of the disk, by anybody. */
  readonly diskBytesPerSecond: number;
  /** Writes of a broker's log, each of them durable when it ends; NaN when the broker does not count them. */
  readonly brokerWritesPerSecond: number;
};

/** Watches a cluster that nobody calls. */
export async function measureIdleCluster(
  cluster: ProcessCluster,
  shardCount: number,
  { warmUpMs, measuredMs }: Span,
): Promise<IdleCluster> {
  await sleep(warmUpMs);
  const before = await idleReading(cluster);
  await sleep(measuredMs);
  const after = await idleReading(cluster);
  const seconds = (after.atMs - before.atMs) / 1_000;
  const perSecond = (now: readonly number[], then: readonly number[]): readonly number[] =>
    now.map((value, at) => (value - (then[at] ?? Number.NaN)) / seconds);
  const brokerCpu = perSecond(after.brokerCpu, before.brokerCpu);
  return {
    shards: shardCount,
    brokerCpuPercent: 100 * mean(brokerCpu),
    worstBrokerCpuPercent: 100 * Math.max(...brokerCpu),
    nameServerCpuPercent: 100 * mean(perSecond(after.nameServerCpu, before.nameServerCpu)),
    diskBytesPerSecond: (after.diskBytes - before.diskBytes) / seconds,
    brokerWritesPerSecond: mean(perSecond(after.writes, before.writes)),
  };
}

async function idleReading({ brokers, nameServers }: ProcessCluster) {
  const pids = brokers.map(pidOf);
  const writes = await Promise.all(brokers.map(logWrites));
  return {
    atMs: performance.now(),
    brokerCpu: pids.map(cpuSeconds),
    nameServerCpu: nameServers.map((server) => cpuSeconds(pidOf(server))),
    diskBytes: brokers[0] === undefined ? Number.NaN : diskUsage(brokers[0].folder).writtenBytes,
    writes,
  };
}

/** @throws {Error} when it does not run */
export function pidOf({ name, member }: Placed): number {
  if (member.pid === undefined) throw new Error(`${name} ended\n${member.output}`);
  return member.pid;
}

async function logWrites({ host }: Placed): Promise<number> {
  const response = await fetch(`http://${host}:${clusterPorts.http}/metrics`);
  return Number(/^saturnmq_log_writes_total (\d+)$/m.exec(await response.text())?.[1] ?? Number.NaN);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
