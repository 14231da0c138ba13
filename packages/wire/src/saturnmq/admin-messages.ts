import type { GroupInfo, StartPosition, TopicInfo } from "../metadata/ports.ts";
import type { Group, GroupStart, Topic } from "./admin.ts";

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
