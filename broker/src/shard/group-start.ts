import type { GroupInfo, TopicInfo } from "@saturnmq/wire";

/** A topic made this long before a group, or later, is read from its beginning by default. */
const youngTopicMs = 3_600_000;
/** Room for clocks of name server and brokers that differ. */
const clockSlackMs = 2_000;

/**
 * Store time at which a group begins on a topic's queues, milliseconds since the Unix epoch; `-Infinity` is their beginning (design 7,
 * "Start of a group").
 */
export function groupStartMs(group: GroupInfo, topic: TopicInfo): number {
  switch (group.start.kind) {
    case "earliest":
      return -Infinity;
    case "time":
      return group.start.atMs;
    case "default":
      return topic.createdAtMs > group.createdAtMs - youngTopicMs ? -Infinity : group.createdAtMs - clockSlackMs;
  }
}
