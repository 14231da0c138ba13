import { isDeadLetterTopic } from "@saturnmq/kit";
import type { ClusterView, CreateGroup, CreateTopic, GroupInfo, StartPosition, TopicInfo } from "../metadata/ports.ts";
import type { AdminMethods, Group, GroupStart, Topic } from "./admin.ts";

const queuesDefault = 8;
const starts = { FROM_UNSPECIFIED: "default", EARLIEST: "earliest", LATEST: "latest" } as const;

/** What a tool's request asks of the name server: what it leaves out is the default. */
export function topicCommand(request: AdminMethods["CreateTopic"]["request"]): CreateTopic {
  const { requestId, name, type, queues, retentionMs } = request;
  return {
    ...{ requestId, name, retentionMs },
    type: type === "TOPIC_TYPE_UNSPECIFIED" ? "NORMAL" : type,
    queues: queues === 0 ? queuesDefault : queues,
  };
}

/** As `topicCommand`, for a consumer group. */
export function groupCommand(request: AdminMethods["CreateGroup"]["request"]): CreateGroup {
  const { requestId, name, order, from, maxAttempts } = request;
  return {
    ...{ requestId, name, order, from: starts[from], implicit: false },
    maxAttempts: maxAttempts === 0 ? undefined : maxAttempts,
  };
}

/** The topics that were made, by name. Those of dead letters come and go with their groups, and are shown with them. */
export function adminTopics({ topics }: ClusterView): readonly Topic[] {
  return sorted(topics.values())
    .filter(({ name }) => !isDeadLetterTopic(name))
    .map(adminTopic);
}

/** The consumer groups, by name. */
export function adminGroups({ groups }: ClusterView): readonly Group[] {
  return sorted(groups.values()).map(adminGroup);
}

/** As code units compare: the same on every machine. */
function sorted<Row extends { readonly name: string }>(rows: Iterable<Row>): readonly Row[] {
  return [...rows].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A topic as `saturnmq.v1.Admin` shows it. */
export function adminTopic({ id, name, type, queues, retentionMs, createdAtMs }: TopicInfo): Topic {
  return { id, name, type, queues, createdAtMs, ...(retentionMs === undefined ? {} : { retentionMs }) };
}

/** A consumer group as `saturnmq.v1.Admin` shows it. */
export function adminGroup({ id, name, order, start, maxAttempts, createdAtMs }: GroupInfo): Group {
  return { id, name, order, start: adminStart(start), maxAttempts, createdAtMs };
}

function adminStart(start: StartPosition): GroupStart {
  switch (start.kind) {
    case "default":
      return { byTopicAge: true };
    case "earliest":
      return { earliest: true };
    case "time":
      return { atMs: start.atMs };
  }
}
