import type { BacklogResult } from "./backlog-bench.ts";
import type { DeliveryResult } from "./delivery-bench.ts";
import type { IdleResult } from "./idle-bench.ts";
import type { MachineFacts } from "./machine.ts";
import type { Figures } from "./measure.ts";
import type { OverloadResult } from "./overload-bench.ts";
import type { ReceiveResult } from "./receive-bench.ts";
import type { SendResult } from "./send-bench.ts";
import type { SoakResult } from "./soak-bench.ts";

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Where it was measured, in a sentence. */
export function machineLine({ cpu, cores, memoryGiB, kernel, fileSystem, node }: MachineFacts): string {
  return `${cpu}, ${cores} cores shared by server and generator, ${memoryGiB} GiB, ${kernel}, ${fileSystem}, Node ${node}.`;
}

/** Loads of SendMessage, a row each. */
export function sendTable(results: readonly SendResult[]): string {
  const rows = results.map((result) => [
    `${result.inFlight} (${result.connections})`,
    ...(results.some(({ perSecond }) => perSecond !== undefined) ? [rate(result.perSecond)] : []),
    `${result.bodyBytes}${result.batch > 1 ? ` × ${result.batch}` : ""}`,
    ...figureCells(result, result.bodyBytes),
  ]);
  const asked = results.some(({ perSecond }) => perSecond !== undefined) ? ["asked msg/s"] : [];
  return table(["in flight (connections)", ...asked, "body, bytes", ...figureHead], rows);
}

function rate(perSecond: number | undefined): string {
  return perSecond === undefined ? "as fast as answered" : whole(perSecond);
}

/** Loads of ReceiveMessage and AckMessage, a row each. */
export function receiveTable(results: readonly ReceiveResult[]): string {
  const rows = results.map((result) => [
    `${result.inFlight} (${result.connections})`,
    String(result.batchSize),
    ...figureCells(result, result.bodyBytes),
  ]);
  const dry = results.some(({ emptyReceives }) => emptyReceives > 0) ? "\n\nThe backlog ran dry in some spans." : "";
  return `${table(["receives in flight (connections)", "batch", ...figureHead], rows)}${dry}`;
}

/** Senders and groups at once: end to end, and fan-out. */
export function deliveryTable(results: readonly DeliveryResult[]): string {
  const rows = results.map((result) => [
    String(result.groups),
    rate(result.perSecond),
    String(result.bodyBytes),
    whole(result.deliveriesPerSecond),
    whole(result.behind),
    ...figureCells(result, result.bodyBytes),
  ]);
  const head = ["groups", "asked msg/s", "body, bytes", "deliveries/s", "behind at the end", ...figureHead];
  return `${table(head, rows)}\n\nLatencies are ages: from the intended time of the send until a group had the message.`;
}

/** Backlogs drained. */
export function backlogTable(results: readonly BacklogResult[]): string {
  const rows = results.map((result) => [
    `${(result.backlogBytes / 2 ** 30).toFixed(2)} GiB`,
    String(result.bodyBytes),
    `${result.inFlight} (${result.connections})`,
    (result.bodyBytesPerSecond / 1e6).toFixed(0),
    ...figureCells(result, result.bodyBytes),
  ]);
  return table(["backlog", "body, bytes", "receives in flight (connections)", "MB/s", ...figureHead], rows);
}

/** The peak, and what is left of it when more is asked for. */
export function overloadTable(result: OverloadResult): string {
  const rows = result.overloads.map((overload) => [
    `${overload.factor} × peak`,
    whole(overload.offeredPerSecond),
    percent(overload.goodput),
    whole(overload.latePerSecond),
    overload.recoveryMs === Number.POSITIVE_INFINITY ? "not within 30 s" : `${overload.recoveryMs.toFixed(0)} ms`,
    ...figureCells(overload, result.bodyBytes),
  ]);
  const head = ["asked", "asked msg/s", "of the peak", "not written in time, msg/s", "calm again after", ...figureHead];
  const peak = `Peak ${whole(result.peakPerSecond)} msg/s, ${result.inFlight} in flight; at half of it p99 is ${fixed(result.calmP99Ms, 2)} ms.`;
  return `${peak}\n\n${table(head, rows)}`;
}

/** Clients that wait for nothing. */
export function idleTable(results: readonly IdleResult[]): string {
  const rows = results.map((result) => [
    whole(result.clients),
    whole(result.connections),
    `${result.pollMs / 1_000} s${result.repoll ? ", again and again" : ", once"}`,
    result.heartbeatMs === undefined ? "none" : `every ${result.heartbeatMs / 1_000} s`,
    mebibytes(result.rssMaxBytes - result.rssBeforeBytes),
    percent(result.core),
    percent(result.coreBefore),
    fixed(result.openingMs / 1_000, 1),
    failuresText(result.failures),
  ]);
  return table(
    [
      "clients",
      "connections",
      "receives held",
      "heartbeats",
      "RSS above idle, MiB",
      "of a core",
      "of a core without clients",
      "opened in s",
      "not OK",
    ],
    rows,
  );
}

/** A long run: its figures, and what grew. */
export function soakTable(result: SoakResult): string {
  const { heapSlope, rssGrowthBytes, filesBefore, filesAfter, reconnects, received, measuredMs } = result;
  const slope =
    heapSlope === undefined
      ? "not measured: no metrics, or too short"
      : `${signed(heapSlope.slope)} MiB an hour (95 %: ${signed(heapSlope.low)} to ${signed(heapSlope.high)})`;
  const rows = [
    ["length", `${(measuredMs / 60_000).toFixed(1)} min`],
    ["heap after collections and external memory, last two thirds", slope],
    ["RSS at the end against a third", `${signed(rssGrowthBytes)} MiB`],
    ["open files and sockets, before and after", `${filesBefore}, ${filesAfter}`],
    ["connections replaced", whole(reconnects)],
    ["messages received", whole(received)],
  ];
  return `${sendTable([result])}\n\n${table(["", ""], rows)}`;
}

function signed(bytes: number): string {
  const text = fixed(bytes / 2 ** 20, 2);
  return bytes > 0 ? `+${text}` : text;
}

/** Bytes in MiB; "-" when not known. */
export function mebibytes(bytes: number): string {
  return fixed(bytes / 2 ** 20, 0);
}

/** Titles of `figureCells`. */
const figureHead = [
  "msg/s",
  "p50 ms",
  "p99 ms",
  "p99.9 ms",
  "server CPU s/M",
  "client CPU s/M",
  "switches/msg",
  "syncs/msg",
  "disk bytes per body byte",
  "other cores",
  "steal",
  "not OK",
];

/** The figures of one load, in the order of `figureHead`; what is not known is "-". */
function figureCells(figures: Figures, bodyBytes: number): string[] {
  return [
    whole(figures.messagesPerSecond) + (figures.clientBound ? " (client-bound)" : ""),
    fixed(figures.p50Ms, 2),
    fixed(figures.p99Ms, 2),
    fixed(figures.p999Ms, 2),
    fixed(figures.serverCpuPerMillion, 1),
    fixed(figures.clientCpuPerMillion, 1),
    fixed(figures.serverSwitchesPerMessage, 2),
    fixed(figures.syncsPerMessage, 3),
    fixed(figures.diskBytesPerMessage / bodyBytes, 2),
    fixed(figures.otherCores, 2),
    percent(figures.stealShare),
    failuresText(figures.failures),
  ];
}

/** What went wrong and how often, "none" for nothing. */
function failuresText(failures: Readonly<Record<string, number>>): string {
  const parts = Object.entries(failures).map(([reason, count]) => `${count} × ${reason}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

/** With so many digits after the point; "-" when not known. */
export function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "-";
}

/** A large number with separators; "-" when not known. */
export function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "-";
}

/** A share, 0 to 1, in percent; "-" when not known. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "-";
}

/** The middle value; of an even count the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
