import type { AdminMethods, AdminTopic, MessageType } from "@saturnmq/wire";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import type { Io } from "../io.ts";
import { facts, type GlobalOptions, printResult, span, table, time } from "../output.ts";

const topicTypes = ["normal", "fifo", "delay", "transaction", "priority", "mixed"] as const;

export type TopicCreateOptions = GlobalOptions & {
  readonly type: string;
  readonly queues: number;
  readonly retention?: number;
};

export async function topicCreate(io: Io, name: string, options: TopicCreateOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const topic = await admin.call("CreateTopic", {
    requestId: newRequestId(),
    name,
    type: typeOf(options.type),
    queues: options.queues,
    ...(options.retention === undefined ? {} : { retentionMs: options.retention }),
  });
  const queues = topic.queues === 1 ? "1 queue" : `${topic.queues} queues`;
  await printResult(io, options.output, topic, () => `created topic ${topic.name} with ${queues}`);
}

function typeOf(text: string): MessageType {
  const type = topicTypes.find((known) => known === text.toLowerCase());
  if (type !== undefined) return type.toUpperCase() as MessageType;
  throw new CliError(exitCodes.usage, `there is no topic type '${text}': choose one of ${topicTypes.join(", ")}`);
}

export async function topicList(io: Io, options: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const reply = await admin.call("ListTopics", {});
  await printResult(io, options.output, reply, () => topicTable(reply.topics));
}

function topicTable(topics: readonly AdminTopic[]): string {
  const columns = [
    { title: "NAME", of: ({ name }: AdminTopic) => name },
    { title: "TYPE", of: ({ type }: AdminTopic) => type.toLowerCase() },
    { title: "QUEUES", of: ({ queues }: AdminTopic) => queues },
    { title: "RETENTION", of: ({ retentionMs }: AdminTopic) => retentionText(retentionMs) },
    { title: "CREATED", of: ({ createdAtMs }: AdminTopic) => time(createdAtMs) },
  ];
  return table(topics, columns, "no topics: make one with 'saturnmq topic create NAME'");
}

function retentionText(retentionMs: number | undefined): string {
  return retentionMs === undefined ? "cluster" : span(retentionMs);
}

type Description = AdminMethods["DescribeTopic"]["reply"];

export async function topicDescribe(io: Io, name: string, options: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const reply = await admin.call("DescribeTopic", { name });
  await printResult(io, options.output, reply, () => topicText(reply));
}

function topicText({ topic, queues }: Description): string {
  type Row = Description["queues"][number];
  const held = queues.reduce((sum, { minOffset, nextOffset }) => sum + nextOffset - minOffset, 0);
  const about = facts([
    ["Name", topic.name],
    ["Id", topic.id],
    ["Type", topic.type.toLowerCase()],
    ["Retention", retentionText(topic.retentionMs)],
    ["Created", time(topic.createdAtMs)],
    ["Messages held", held],
  ]);
  const columns = [
    { title: "QUEUE", of: ({ queue }: Row) => queue },
    { title: "SHARD", of: ({ shard }: Row) => shard },
    { title: "OLDEST OFFSET", of: ({ minOffset }: Row) => minOffset },
    { title: "NEXT OFFSET", of: ({ nextOffset }: Row) => nextOffset },
    { title: "MESSAGES", of: ({ minOffset, nextOffset }: Row) => nextOffset - minOffset },
  ];
  return `${about}\n\n${table(queues, columns, "no queues")}`;
}

export async function topicDelete(io: Io, name: string, options: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  await admin.call("DeleteTopic", { requestId: newRequestId(), name });
  await printResult(io, options.output, { deleted: name }, () => `deleted topic ${name}`);
}
