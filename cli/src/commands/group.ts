import type { AdminGroup, AdminGroupStart, AdminMethods, AdminQueueProgress } from "@saturnmq/wire";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import type { Io } from "../io.ts";
import { facts, type GlobalOptions, printResult, span, table, time } from "../output.ts";

export type GroupCreateOptions = GlobalOptions & {
  readonly from?: "earliest" | "latest";
  readonly order?: boolean;
  readonly maxAttempts?: number;
};

const froms = { earliest: "EARLIEST", latest: "LATEST" } as const;

export async function groupCreate(io: Io, name: string, options: GroupCreateOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const group = await admin.call("CreateGroup", {
    requestId: newRequestId(),
    name,
    order: options.order ?? false,
    from: options.from === undefined ? "FROM_UNSPECIFIED" : froms[options.from],
    maxAttempts: options.maxAttempts ?? 0,
  });
  await printResult(io, options.output, group, () => {
    return `created consumer group ${group.name}, which starts ${startText(group.start)}`;
  });
}

/** Where a group begins, as a sentence goes on. */
function startText(start: AdminGroupStart): string {
  if (start.earliest !== undefined) return "at the beginning of each topic";
  if (start.atMs !== undefined) return `with messages stored from ${time(start.atMs)} on`;
  return "at the beginning of topics younger than 1 h when it was made, else at its creation";
}

export async function groupList(io: Io, options: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const reply = await admin.call("ListGroups", {});
  await printResult(io, options.output, reply, () => groupTable(reply.groups));
}

function groupTable(groups: readonly AdminGroup[]): string {
  const columns = [
    { title: "NAME", of: ({ name }: AdminGroup) => name },
    { title: "ORDER", of: ({ order }: AdminGroup) => (order ? "yes" : "no") },
    { title: "START", of: ({ start }: AdminGroup) => startWord(start) },
    { title: "MAX ATTEMPTS", of: ({ maxAttempts }: AdminGroup) => maxAttempts },
    { title: "CREATED", of: ({ createdAtMs }: AdminGroup) => time(createdAtMs) },
  ];
  return table(
    groups,
    columns,
    "no consumer groups: one is made at its first use, or with 'saturnmq group create NAME'",
  );
}

function startWord(start: AdminGroupStart): string {
  if (start.earliest !== undefined) return "earliest";
  return start.atMs === undefined ? "by topic age" : time(start.atMs);
}

export async function groupDescribe(io: Io, name: string, options: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const reply = await admin.call("DescribeGroup", { name });
  await printResult(io, options.output, reply, () => groupText(reply, Date.now()));
}

type Description = AdminMethods["DescribeGroup"]["reply"];
type Row = AdminQueueProgress & { readonly topic: string };

/** @param nowMs wall clock, milliseconds: ages are told against it */
function groupText({ group, topics }: Description, nowMs: number): string {
  const rows: Row[] = topics.flatMap(({ topic, queues }) => queues.map((queue) => ({ topic, ...queue })));
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const about = facts([
    ["Name", group.name],
    ["Id", group.id],
    ["Starts", startText(group.start)],
    ["Order", group.order ? "yes" : "no"],
    ["Max attempts", group.maxAttempts],
    ["Created", time(group.createdAtMs)],
    ["Lag", sum(({ lag }) => lag)],
    ["In flight", sum(({ inFlight }) => inFlight)],
    ["Parked", sum(({ parked }) => parked)],
    ["Dead letters", sum(({ deadLettered }) => deadLettered)],
    ["Expired", sum(({ expired }) => expired)],
    ["Oldest unacknowledged", ageText(oldest(rows), nowMs)],
  ]);
  const columns = [
    { title: "TOPIC", of: ({ topic }: Row) => topic },
    { title: "QUEUE", of: ({ queue }: Row) => queue },
    { title: "START", of: ({ startOffset }: Row) => startOffset ?? "-" },
    { title: "FLOOR", of: ({ floor }: Row) => floor },
    { title: "NEXT", of: ({ nextOffset }: Row) => nextOffset },
    { title: "LAG", of: ({ lag }: Row) => lag },
    { title: "IN FLIGHT", of: ({ inFlight }: Row) => inFlight },
    { title: "PARKED", of: ({ parked }: Row) => parked },
    { title: "DEAD LETTERS", of: ({ deadLettered }: Row) => deadLettered },
    { title: "EXPIRED", of: ({ expired }: Row) => expired },
    { title: "OLDEST UNACKED", of: ({ oldestUnackedAtMs }: Row) => ageText(oldestUnackedAtMs, nowMs) },
  ];
  return `${about}\n\n${table(rows, columns, "the group has not received from any topic yet")}`;
}

function oldest(rows: readonly Row[]): number | undefined {
  const times = rows.flatMap(({ oldestUnackedAtMs }) => (oldestUnackedAtMs === undefined ? [] : [oldestUnackedAtMs]));
  return times.length === 0 ? undefined : Math.min(...times);
}

function ageText(atMs: number | undefined, nowMs: number): string {
  return atMs === undefined ? "-" : `${span(Math.max(0, nowMs - atMs))} ago`;
}

export async function groupDelete(io: Io, name: string, options: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  await admin.call("DeleteGroup", { requestId: newRequestId(), name });
  await printResult(io, options.output, { deleted: name }, () => `deleted consumer group ${name}`);
}
