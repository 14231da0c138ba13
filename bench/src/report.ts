import type { MachineFacts } from "./machine.ts";
import type { ReceiveResult } from "./receive-bench.ts";
import type { RestartResult } from "./restart-bench.ts";
import type { SendResult } from "./send-bench.ts";
import { fixed, machineLine, mebibytes, median, receiveTable, sendTable, table } from "./tables.ts";

/** Everything one run of `make bench` measured. */
export type BenchResult = {
  readonly name: string;
  readonly quick: boolean;
  readonly machine: MachineFacts;
  readonly rssIdleBytes: number;
  readonly send: readonly SendResult[];
  readonly receive: readonly ReceiveResult[];
  readonly restart: RestartResult | undefined;
  /** What the store's own bench printed. */
  readonly store: string | undefined;
  /** What the bench of three brokers printed. */
  readonly cluster?: string | undefined;
};

/** The result as a page of Markdown. */
export function renderReport(result: BenchResult): string {
  return [
    `# ${result.name}, ${result.machine.date.slice(0, 10)}${result.quick ? " (quick: short spans, no claims)" : ""}`,
    machineLine(result.machine),
    ...(result.send.length === 0
      ? []
      : [`## SendMessage, durable before it is answered\n\n${sendTable(result.send)}`, renderMemory(result)]),
    ...(result.receive.length === 0
      ? []
      : [`## ReceiveMessage and AckMessage, from a backlog\n\n${receiveTable(result.receive)}`]),
    ...(result.restart === undefined ? [] : [renderRestart(result.restart)]),
    ...(result.cluster === undefined ? [] : [result.cluster.trim()]),
    ...(result.store === undefined ? [] : [`## Store alone\n\n${result.store.trim()}`]),
    "",
  ].join("\n\n");
}

function renderMemory({ rssIdleBytes, send, receive }: BenchResult): string {
  const loaded = Math.max(0, ...[...send, ...receive].map(({ serverRssMaxBytes }) => serverRssMaxBytes));
  const rows = [
    ["idle, after the start", mebibytes(rssIdleBytes)],
    ["largest under load", mebibytes(loaded)],
  ];
  return `## Memory of the server\n\n${table(["", "RSS, MiB"], rows)}`;
}

function renderRestart({ logBytes, messages, bundled, sources }: RestartResult): string {
  const rows = [
    ["bundled, as in the image", "warm", ...startCells(bundled.warmMs)],
    ["from its sources", "warm", ...startCells(sources.warmMs)],
    ["bundled, as in the image", "cold", ...startCells(bundled.coldMs)],
    ["from its sources", "cold", ...startCells(sources.coldMs)],
  ];
  const log = `Log: ${(logBytes / 2 ** 30).toFixed(2)} GiB of bodies, ${messages.toLocaleString("en")} messages; each start follows SIGKILL.`;
  const heads = ["program", "page cache", "median ms", "each"];
  return `## Restart: from exec to the first answered send\n\n${log}\n\n${table(heads, rows)}`;
}

function startCells(times: readonly number[]): readonly [median: string, each: string] {
  if (times.length === 0) return ["not measured: this user may not drop the page cache", ""];
  return [fixed(median(times), 0), times.map((ms) => ms.toFixed(0)).join(", ")];
}
