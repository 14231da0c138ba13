import type { GroupInfo, StartPosition, TopicInfo } from "@saturnmq/wire";

/** A topic made this long before a group, or later, is read from its beginning by default. */
const youngTopicMs = 3_600_000;
/** Room for clocks of name server and brokers that differ. */
const clockSlackMs = 2_000;

/** Where a group begins on a topic, and in which epoch: a cursor of an older one counts no more. */
export function groupStart(
  group: GroupInfo,
  topic: number,
): { readonly start: StartPosition; readonly cursorEpoch: number } {
  return group.resets?.find((reset) => reset.topic === topic) ?? group;
}

/** The group as it would be after a reset on all topics. */
export function asIfReset({ resets = [], ...group }: GroupInfo, start: StartPosition): GroupInfo {
  const cursorEpoch = Math.max(group.cursorEpoch, ...resets.map((reset) => reset.cursorEpoch)) + 1;
  return { ...group, start, cursorEpoch };
}

/**
 * Store time at which a group begins on a topic's queues, milliseconds since the Unix epoch; `-Infinity` is their beginning (design 7,
 * "Start of a group").
 */
export function groupStartMs(group: GroupInfo, topic: TopicInfo): number {
  const { start } = groupStart(group, topic.id);
  switch (start.kind) {
    case "earliest":
      return -Infinity;
    case "time":
      return start.atMs;
    case "default":
      return topic.createdAtMs > group.createdAtMs - youngTopicMs ? -Infinity : group.createdAtMs - clockSlackMs;
  }
}
