import { LatencyHistogram } from "./generator/latency.ts";
import { newReceiveCounters, type ReceiveCounters, ReceiveLoad } from "./generator/receive-load.ts";
import type { Address } from "./generator/rpc-client.ts";
import { SendTimes } from "./generator/send-times.ts";
import { type Figures, measure, type ServerProcesses, type Span } from "./measure.ts";
import { newSendCounters, type SendWorkload, startedTogether, startSends, stopAll } from "./send-bench.ts";

export type DeliveryWorkload = SendWorkload & {
  /** Consumer groups that each get every message; each has one connection. */
  readonly groups: number;
  /** Of their names, so that no run meets the groups of another. */
  readonly groupPrefix: string;
  /** ReceiveMessage calls that each group keeps open. */
  readonly receivesPerGroup: number;
};

/** Rates and costs are of messages sent; latencies are the ages of messages when a group got them, from the intended time of their send. */
export type DeliveryResult = DeliveryWorkload &
  Figures & {
    /** Acknowledged deliveries a second, over all groups. */
    readonly deliveriesPerSecond: number;
    /** Messages that were stored and not yet delivered to the slowest group at the end: a group that falls behind shows here. */
    readonly behind: number;
  };

const batchSize = 32;
const pollMs = 5_000;
/** Sessions opened at the same time. */
const openingsMax = 50;

/** Sends while groups receive and acknowledge: end to end with one, fan-out with many. @throws {Error} when the server cannot be reached */
export async function measureDelivery(
  address: Address,
  server: ServerProcesses,
  workload: DeliveryWorkload,
  span: Span,
): Promise<DeliveryResult> {
  const times = new SendTimes();
  const ages = new LatencyHistogram();
  const groups: ReceiveCounters[] = [];
  const receivers: ReceiveLoad[] = [];
  const { topic, groupPrefix, receivesPerGroup: inFlight } = workload;
  try {
    for (let first = 0; first < workload.groups; first += openingsMax) {
      const starts = Array.from({ length: Math.min(openingsMax, workload.groups - first) }, (_, n) => {
        const counters = newReceiveCounters();
        groups.push(counters);
        const group = `${groupPrefix}-${first + n}`;
        return ReceiveLoad.start({ ...address, topic, group, batchSize, inFlight, pollMs, times, ages }, counters);
      });
      receivers.push(...(await startedTogether(starts)));
    }
    return await measureSending(address, server, workload, { span, times, ages, groups });
  } finally {
    await stopAll(receivers);
  }
}

type Receiving = {
  readonly span: Span;
  readonly times: SendTimes;
  readonly ages: LatencyHistogram;
  readonly groups: readonly ReceiveCounters[];
};

async function measureSending(
  address: Address,
  server: ServerProcesses,
  workload: DeliveryWorkload,
  { span, times, ages, groups }: Receiving,
): Promise<DeliveryResult> {
  const sent = newSendCounters();
  const senders = await startSends(address, workload, sent, { times });
  const acked = (): number => groups.reduce((sum, counters) => sum + counters.acked, 0);
  const deliveries: number[] = []; // At the beginning and the end of the measured span: `measure` asks there.
  const figures = await measure(server, span, { latency: ages, failures: sent.failures }, () => {
    deliveries.push(acked());
    return sent.ok * workload.batch;
  });
  const behind = sent.ok * workload.batch - Math.min(...groups.map(({ received }) => received));
  await stopAll(senders);
  const [before = 0, after = 0] = deliveries;
  const seconds = figures.messages / figures.messagesPerSecond;
  return {
    ...workload,
    ...figures,
    deliveriesPerSecond: (after - before) / seconds,
    behind: Math.max(0, behind),
    failures: mergedFailures([sent, ...groups]),
  };
}

/** What went wrong in several loads, added up. */
export function mergedFailures(
  counters: readonly { readonly failures: ReadonlyMap<string, number> }[],
): Readonly<Record<string, number>> {
  const sum = new Map<string, number>();
  for (const { failures } of counters)
    for (const [reason, count] of failures) sum.set(reason, (sum.get(reason) ?? 0) + count);
  return Object.fromEntries(sum);
}
