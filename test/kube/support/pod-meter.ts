import { readFileSync } from "node:fs";
import type { AdapterRule } from "./adapter-rules.ts";
import type { Nodes } from "./nodes.ts";
import type { PodProcess } from "./pod-process.ts";

type Sample = {
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly series: Readonly<Record<string, number>>;
};

const everyMs = 1_000;
/** What a rate is of, milliseconds. */
const windowMs = 5_000;
/** Of /proc/PID/stat, on every Linux. */
const ticksPerSecond = 100;
const pageBytes = 4_096;
const answersWithinMs = 2_000;

/** Measures what the processes of pods use, and reads what they tell of themselves on /metrics, every second. */
export class PodMeter {
  readonly #names: readonly string[];
  readonly #samples = new Map<string, readonly Sample[]>();
  readonly #timer: NodeJS.Timeout;

  /** @param rules whose series are read */
  constructor(nodes: Nodes, rules: readonly AdapterRule[]) {
    this.#names = rules.map(({ series }) => series);
    this.#timer = setInterval(() => {
      for (const pod of nodes.running) void this.#measure(pod);
    }, everyMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Cores that a pod used of late; `undefined` while that is not known. */
  cores(uid: string): number | undefined {
    return this.#perSecond(uid, ({ cpuSeconds }) => cpuSeconds);
  }

  /** Resident memory of a pod, bytes. */
  residentBytes(uid: string): number | undefined {
    return this.#samples.get(uid)?.at(-1)?.residentBytes;
  }

  /** What a rule makes of a pod's series; `undefined` while that is not known. */
  valueOf(uid: string, { series, isRate }: AdapterRule): number | undefined {
    if (isRate) return this.#perSecond(uid, (sample) => sample.series[series] ?? 0);
    return this.#samples.get(uid)?.at(-1)?.series[series];
  }

  #perSecond(uid: string, of: (sample: Sample) => number): number | undefined {
    const samples = this.#samples.get(uid) ?? [];
    const [first, last] = [samples[0], samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined;
    return (1_000 * (of(last) - of(first))) / (last.atMs - first.atMs);
  }

  async #measure({ pid, ip, pod }: PodProcess): Promise<void> {
    if (pid === undefined) return;
    const { uid } = pod.metadata;
    const used = usageOf(pid);
    const series = await this.#read(ip).catch(() => undefined);
    if (used === undefined || series === undefined) return;
    const sample = { atMs: performance.now(), ...used, series };
    const known = this.#samples.get(uid) ?? [];
    // A process that was started again counts from nothing.
    const before = known.filter(
      ({ atMs, cpuSeconds }) => atMs > sample.atMs - windowMs && cpuSeconds <= used.cpuSeconds,
    );
    this.#samples.set(uid, [...before, sample]);
  }

  async #read(ip: string): Promise<Readonly<Record<string, number>>> {
    const response = await fetch(`http://${ip}:9090/metrics`, { signal: AbortSignal.timeout(answersWithinMs) });
    const page = await response.text();
    return Object.fromEntries(this.#names.map((name) => [name, seriesOf(page, name)]));
  }
}

/** Sum of a series over its labels. */
function seriesOf(page: string, name: string): number {
  const lines = page.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** CPU that a process has used and memory that it has, as /proc tells; `undefined` when it is gone. */
export function usageOf(pid: number): Pick<Sample, "cpuSeconds" | "residentBytes"> | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name, which may hold anything: the third field comes first.
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [user = 0, system = 0] = fields.slice(11, 13);
    return { cpuSeconds: (user + system) / ticksPerSecond, residentBytes: (fields[21] ?? 0) * pageBytes };
  } catch {
    return undefined;
  }
}
