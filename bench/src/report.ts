import type { MachineFacts } from "./machine.ts";
import type { ReceiveResult } from "./receive-bench.ts";
import type { RestartResult } from "./restart-bench.ts";
import type { Figures, SendResult } from "./send-bench.ts";

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
};

/** The result as a page of Markdown. */
export function renderReport(result: BenchResult): string {
  return [
    `# ${result.name}, ${result.machine.date.slice(0, 10)}${result.quick ? " (quick: short spans, no claims)" : ""}`,
    renderMachine(result.machine),
    ...(result.send.length === 0 ? [] : [renderSend(result.send), renderMemory(result)]),
    ...(result.receive.length === 0 ? [] : [renderReceive(result.receive)]),
    ...(result.restart === undefined ? [] : [renderRestart(result.restart)]),
    ...(result.store === undefined ? [] : [`## Store alone\n\n${result.store.trim()}`]),
    "",
  ].join("\n\n");
}

function renderMachine({ cpu, cores, memoryGiB, kernel, fileSystem, node }: MachineFacts): string {
  return `${cpu}, ${cores} cores shared by server and generator, ${memoryGiB} GiB, ${kernel}, ${fileSystem}, Node ${node}.`;
}

function renderSend(results: readonly SendResult[]): string {
  const rows = results.map((result) => [
    `${result.inFlight} (${result.connections})`,
    `${result.bodyBytes}${result.batch > 1 ? ` × ${result.batch}` : ""}`,
    ...figureCells(result),
  ]);
  return `## SendMessage, durable before it is answered\n\n${table(["in flight (connections)", "body, bytes", ...figureHead], rows)}`;
}

function renderReceive(results: readonly ReceiveResult[]): string {
  const rows = results.map((result) => [
    `${result.inFlight} (${result.connections})`,
    String(result.batchSize),
    ...figureCells(result),
  ]);
  const dry = results.some(({ emptyReceives }) => emptyReceives > 0) ? "\n\nThe backlog ran dry in some spans." : "";
  const head = ["receives in flight (connections)", "batch", ...figureHead];
  return `## ReceiveMessage and AckMessage, from a backlog\n\n${table(head, rows)}${dry}`;
}

const figureHead = [
  "msg/s",
  "p50 ms",
  "p99 ms",
  "p99.9 ms",
  "server CPU s/M",
  "client CPU s/M",
  "other cores",
  "not OK",
];

function figureCells(figures: Figures): string[] {
  const failures = Object.entries(figures.failures).map(([reason, count]) => `${count} × ${reason}`);
  return [
    Math.round(figures.messagesPerSecond).toLocaleString("en") + (figures.clientBound ? " (client-bound)" : ""),
    figures.p50Ms.toFixed(2),
    figures.p99Ms.toFixed(2),
    figures.p999Ms.toFixed(2),
    figures.serverCpuPerMillion.toFixed(1),
    figures.clientCpuPerMillion.toFixed(1),
    figures.otherCores.toFixed(2),
    failures.length === 0 ? "none" : failures.join(", "),
  ];
}

function renderMemory({ rssIdleBytes, send, receive }: BenchResult): string {
  const loaded = Math.max(0, ...[...send, ...receive].map(({ serverRssMaxBytes }) => serverRssMaxBytes));
  const rows = [
    ["idle, after the start", mebibytes(rssIdleBytes)],
    ["largest under load", mebibytes(loaded)],
  ];
  return `## Memory of the server\n\n${table(["", "RSS, MiB"], rows)}`;
}

function renderRestart({ logBytes, messages, warmMs, coldMs }: RestartResult): string {
  const rows = [
    ["warm", median(warmMs), list(warmMs)],
    [
      "cold",
      coldMs.length === 0 ? "not measured: this user may not drop the page cache" : median(coldMs),
      list(coldMs),
    ],
  ];
  const log = `Log: ${(logBytes / 2 ** 30).toFixed(2)} GiB of bodies, ${messages.toLocaleString("en")} messages; each start follows SIGKILL.`;
  return `## Restart: from exec to the first answered send\n\n${log}\n\n${table(["page cache", "median ms", "each"], rows)}`;
}

function list(times: readonly number[]): string {
  return times.map((ms) => ms.toFixed(0)).join(", ");
}

/** The middle value, in whole milliseconds. */
function median(times: readonly number[]): string {
  return (times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN).toFixed(0);
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
