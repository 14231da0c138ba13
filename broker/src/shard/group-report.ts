import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { groupProgress } from "../domain/group-progress.ts";
import type { QueueProgress } from "../led-shards.ts";
import type { GroupTopicStatus } from "../messaging.ts";
import { groupStart } from "./group-start.ts";
import type { ReadableShard } from "./readable-shard.ts";
import type { Led } from "./shard-runtime.ts";
import type { StoredMessages } from "./stored-messages.ts";

type QueueStatus = GroupTopicStatus["queues"][number];

/**
 * The progress of a group on the queues of one shard that it has begun.
 *
 * @param topics where queues that it began before its last reset do not count
 */
export async function shardReport(
  { runtime, reader }: ReadableShard,
  led: Led,
  group: GroupInfo,
  topics: readonly TopicInfo[],
): Promise<QueueProgress[]> {
  const counts = (topic: number, epoch: number): boolean =>
    epoch >= groupStart(group, topic).cursorEpoch || topics.every(({ id }) => id !== topic);
  return Promise.all(
    groupProgress(led.state, group.id, runtime.now(), counts).map(async ({ topic, ...progress }) => {
      const { queue, floor, nextOffset } = progress;
      const open = floor < nextOffset && floor >= led.state.minOf(led.state.cursorOf(group.id, topic, queue));
      const oldestUnackedAtMs = open ? await timeOf(reader.messages, topic, queue, floor, nextOffset) : undefined;
      return { topic, status: { ...progress, oldestUnackedAtMs } };
    }),
  );
}

/** A queue that the group has not begun: what it would find there. */
export async function unbegunQueue(
  { reader }: ReadableShard,
  led: Led,
  topic: TopicInfo,
  group: GroupInfo,
  queue: number,
): Promise<QueueStatus> {
  const row = led.state.queues.find(topic.id, queue);
  const nextOffset = row < 0 ? 0 : (led.state.queues.next[row] ?? 0);
  const floor = row < 0 ? 0 : await reader.beginnings.startOffset(led, topic, group, queue);
  const open = floor < nextOffset;
  const oldestUnackedAtMs = open ? await timeOf(reader.messages, topic.id, queue, floor, nextOffset) : undefined;
  const none = { inFlight: 0, parked: 0, deadLettered: 0, expired: 0, startOffset: undefined };
  return { queue, floor, nextOffset, lag: nextOffset - floor, oldestUnackedAtMs, ...none };
}

/** `undefined` when nothing there can be read. */
async function timeOf(
  messages: StoredMessages,
  topic: number,
  queue: number,
  offset: number,
  next: number,
): Promise<number | undefined> {
  const timeMs = await messages.storedAtMs(topic, queue, offset, next);
  return timeMs === Infinity ? undefined : timeMs;
}
