import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "./generator/rpc-client.ts";
import { late } from "./generator/send-load.ts";
import { type Figures, measure, type ServerProcesses, type Span } from "./measure.ts";
import { measureSend, newSendCounters, type SendWorkload, startSends, stopAll } from "./send-bench.ts";

export type OverloadWorkload = Omit<SendWorkload, "perSecond"> & {
  /** How many times the peak is asked for, each in turn. */
  readonly factors: readonly number[];
};

export type OverloadResult = OverloadWorkload & {
  /** What a closed loop gets. */
  readonly peakPerSecond: number;
  /** 99 of 100 requests at half the peak took at most so long, before any overload. */
  readonly calmP99Ms: number;
  readonly overloads: readonly OverloadFigures[];
};

export type OverloadFigures = Figures & {
  readonly factor: number;
  /** Messages a second that were asked for. */
  readonly offeredPerSecond: number;
  /** What was stored, as a share of the peak. */
  readonly goodput: number;
  /** Requests that the generator itself could not write in time, a second: open calls, windows or its own core were used up. */
  readonly latePerSecond: number;
  /** From the end of the overload until half the peak was served as before it, milliseconds; Infinity when it was not within 30 s. */
  readonly recoveryMs: number;
};

/** A client gives up what it could not write for so long. */
const giveUpAfterMs = 1_000;
const sliceMs = 250;
const recoveryMaxMs = 30_000;

/** Finds the peak, then asks for several times as much, and looks how soon calm returns. @throws {Error} when the server cannot be reached */
export async function measureOverload(
  address: Address,
  server: ServerProcesses,
  { factors, ...workload }: OverloadWorkload,
  span: Span,
): Promise<OverloadResult> {
  const { messagesPerSecond: peakPerSecond } = await measureSend(address, server, workload, span);
  const half = { ...workload, perSecond: peakPerSecond / 2 };
  const calm = await measureSend(address, server, half, span);
  const overloads: OverloadFigures[] = [];
  for (const factor of factors) {
    const overload = { ...workload, perSecond: factor * peakPerSecond };
    const { figures, stopping } = await measureOverloaded(address, server, overload, span);
    const recoveryMs = await measureRecovery(address, half, calm.p99Ms);
    await stopping;
    const goodput = figures.messagesPerSecond / peakPerSecond;
    overloads.push({ ...figures, factor, offeredPerSecond: overload.perSecond, goodput, recoveryMs });
  }
  return { ...workload, factors, peakPerSecond, calmP99Ms: calm.p99Ms, overloads };
}

/** `stopping` resolves when the last of its calls has ended: calm has to return before that, as it has for real clients. */
async function measureOverloaded(
  address: Address,
  server: ServerProcesses,
  workload: SendWorkload,
  span: Span,
): Promise<{ figures: Figures & { readonly latePerSecond: number }; stopping: Promise<void> }> {
  const counters = newSendCounters();
  const loads = await startSends(address, workload, counters, { giveUpAfterMs });
  const lates: number[] = []; // At the beginning and the end of the measured span: `measure` asks there.
  const figures = await measure(server, span, counters, () => {
    lates.push(counters.failures.get(late) ?? 0);
    return counters.ok * workload.batch;
  });
  const stopping = stopAll(loads);
  const [before = 0, after = 0] = lates;
  const latePerSecond = ((after - before) * workload.batch * 1_000) / span.measuredMs;
  return { figures: { ...figures, latePerSecond }, stopping };
}

/** Half the peak again: until a slice is answered in full and nearly as fast as in calm. */
async function measureRecovery(address: Address, workload: SendWorkload, calmP99Ms: number): Promise<number> {
  const startMs = performance.now();
  const counters = newSendCounters();
  const loads = await startSends(address, workload, counters);
  const wanted = 0.95 * ((workload.perSecond ?? 0) / workload.batch) * (sliceMs / 1_000);
  let recoveredMs = Number.POSITIVE_INFINITY;
  while (recoveredMs === Number.POSITIVE_INFINITY && performance.now() - startMs < recoveryMaxMs) {
    const before = counters.ok;
    const sliceStartMs = performance.now();
    counters.latency.clear();
    await sleep(sliceMs);
    const calm = counters.latency.quantileMs(0.99) <= 2 * calmP99Ms + 1;
    if (calm && counters.ok - before >= wanted) recoveredMs = sliceStartMs - startMs;
  }
  await stopAll(loads);
  return recoveredMs;
}
