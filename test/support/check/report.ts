import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { machineFacts } from "@saturnmq/bench";
import { checkHistory, emptyHistory } from "./check-history.ts";
import type { Anomaly } from "./findings.ts";
import { type History, nameOf } from "./history.ts";

/** Anomalies of one kind that a report tells in full. */
const toldOfAKind = 20;

/** Milliseconds. */
export type Spread = { readonly median: number; readonly p99: number; readonly worst: number };

/** What came of a run: for people, and as JSON. */
export type Report = {
  readonly name: string;
  /** The command that repeats it: in kind, as moments are real time. */
  readonly repeat: string;
  readonly passed: boolean;
  readonly sends: { readonly ok: number; readonly fail: number; readonly info: number };
  /** Messages in the longest reading. */
  readonly read: number;
  readonly acked: number;
  readonly anomalies: Readonly<Record<string, { readonly count: number; readonly first: readonly string[] }>>;
  /** Duplicates and redeliveries by what explains them. */
  readonly explained: Readonly<Record<string, number>>;
  /** By consumer group: how many messages came once, twice … */
  readonly timesDelivered: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** From the answer of a send to the first delivery of its message. */
  readonly lagMs: Spread | undefined;
  readonly disturbances: readonly { readonly what: string; readonly afterMs: number; readonly lastedMs: number }[];
  /** Sends and calls that did not go well, by reason. */
  readonly reasons: Readonly<Record<string, number>>;
};

export type Run = {
  readonly name: string;
  readonly repeat: string;
  readonly history: Partial<History>;
  readonly reasons: ReadonlyMap<string, number>;
};

/** Checks a run's history and puts everything about it together. */
export function reportOf({ name, repeat, history: given, reasons }: Run): Report {
  const history = { ...emptyHistory, ...given };
  const { anomalies, explained } = checkHistory(history);
  const { sends, readings, settlements } = history;
  const having = (kind: string): number => sends.filter(({ outcome }) => outcome.kind === kind).length;
  return {
    ...{ name, repeat, passed: anomalies.length === 0 },
    sends: { ok: having("ok"), fail: having("fail"), info: having("info") },
    read: Math.max(0, ...readings.map(({ reads }) => reads.length)),
    acked: settlements.filter(({ kind, outcome }) => kind === "ack" && outcome === "ok").length,
    anomalies: byKind(anomalies),
    explained: Object.fromEntries(explained),
    timesDelivered: timesDelivered(history),
    lagMs: lagOf(history),
    disturbances: disturbancesOf(history),
    reasons: Object.fromEntries(reasons),
  };
}

function byKind(anomalies: readonly Anomaly[]): Report["anomalies"] {
  const kinds = new Map<string, { count: number; first: string[] }>();
  for (const { kind, detail } of anomalies) {
    const told = kinds.get(kind) ?? { count: 0, first: [] };
    kinds.set(kind, told);
    told.count += 1;
    if (told.first.length < toldOfAKind) told.first.push(detail);
  }
  return Object.fromEntries(kinds);
}

function timesDelivered({ deliveries }: History): Report["timesDelivered"] {
  const groups = new Map<string, Map<string, number>>();
  for (const { consumerGroup, content } of deliveries) {
    if (content.kind !== "message") continue;
    const group = groups.get(consumerGroup) ?? new Map<string, number>();
    groups.set(consumerGroup, group);
    group.set(nameOf(content), (group.get(nameOf(content)) ?? 0) + 1);
  }
  const distribution = (times: Iterable<number>): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const count of times) counts[count] = (counts[count] ?? 0) + 1;
    return counts;
  };
  return Object.fromEntries([...groups].map(([group, times]) => [group, distribution(times.values())]));
}

function lagOf({ sends, deliveries }: History): Spread | undefined {
  const firstMs = new Map<string, number>();
  for (const { content, receivedMs } of deliveries) {
    if (content.kind !== "message") continue;
    const name = nameOf(content);
    firstMs.set(name, Math.min(firstMs.get(name) ?? Number.POSITIVE_INFINITY, receivedMs));
  }
  const lags = sends.flatMap((send) => {
    const first = firstMs.get(nameOf(send));
    return first === undefined || send.outcome.kind !== "ok" ? [] : [Math.max(0, first - send.endedMs)];
  });
  return spreadOf(lags);
}

/** `undefined` of nothing. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return { median: at(0.5), p99: at(0.99), worst: at(1) };
}

function disturbancesOf({ sends, disturbances }: History): Report["disturbances"] {
  let startMs = Number.POSITIVE_INFINITY;
  for (const { invokedMs } of sends) startMs = Math.min(startMs, invokedMs);
  return disturbances.map(({ what, fromMs, untilMs }) => ({
    ...{ what, afterMs: Math.round(fromMs - startMs), lastedMs: Math.round(untilMs - fromMs) },
  }));
}

/** The report on a page. */
export function textOf(report: Report): string {
  const { name, passed, sends, anomalies, lagMs, timesDelivered: times } = report;
  const found = Object.entries(anomalies).flatMap(([kind, { count, first }]) => [
    `  ${count} x ${kind}`,
    ...first.map((detail) => `    ${detail}`),
  ]);
  const lines = (title: string, counted: Readonly<Record<string, number>>): string[] =>
    Object.entries(counted).map(([what, count]) => `${title}${count} x ${what}`);
  const groups = Object.entries(times).map(
    ([group, counts]) => `  ${group}: ${lines("", counts).join(", ")} delivered`,
  );
  return [
    `${name}: ${passed ? "no anomaly" : "ANOMALIES"}`,
    ...found,
    `  sends: ${sends.ok} ok, ${sends.fail} refused, ${sends.info} unknown; read ${report.read}; acks ok ${report.acked}`,
    ...(lagMs === undefined ? [] : [`  lag: median ${lagMs.median} ms, p99 ${lagMs.p99} ms, worst ${lagMs.worst} ms`]),
    ...groups,
    ...lines("  explained: ", report.explained),
    ...report.disturbances.map(({ what, afterMs, lastedMs }) => `  at ${afterMs} ms for ${lastedMs} ms: ${what}`),
    ...lines("  not well: ", report.reasons),
    `  repeat: ${report.repeat}`,
  ].join("\n");
}

/** Keeps a report, with date and machine, as `<folder>/<date>-<name>.json`. */
export async function saveReport(folder: string, report: Report & Readonly<Record<string, unknown>>): Promise<void> {
  const machine = machineFacts(process.cwd());
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${machine.date.slice(0, 10)}-${report.name.replaceAll(/[^a-z0-9]+/gi, "-")}.json`);
  await writeFile(path, `${JSON.stringify({ machine, ...report }, undefined, 2)}\n`);
}
