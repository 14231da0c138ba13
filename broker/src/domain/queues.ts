import { SaturnError } from "@saturnmq/kit";
import type { Overlay } from "./overlay.ts";
import type { GroupDeleted, LogStartRaised, MessageStored, TopicDeleted, Trimmed } from "./shard-record.ts";

/**
 * The place of the next message of a queue.
 *
 * @param wallMs the leader's wall clock; the store time is never before the shard's last
 * @throws {SaturnError} `TOPIC_NOT_FOUND` once the topic's delete is decided
 */
export function decideSend(
  { decided }: Overlay,
  { topic, queue }: { readonly topic: number; readonly queue: number },
  nowMs: number,
  wallMs: number,
): MessageStored {
  if (decided.deletedTopics.has(topic)) throw new SaturnError("TOPIC_NOT_FOUND", "the topic was deleted");
  const row = decided.queues.find(topic, queue);
  const offset = row < 0 ? 0 : (decided.queues.next[row] ?? 0);
  const storedAtMs = Math.max(wallMs, decided.lastStoredAtMs);
  return { kind: "message", timeMs: nowMs, topic, queue, offset, storedAtMs };
}

/** Drops the messages of a queue below `offset`; `undefined` when they are gone already. */
export function decideTrim(
  { decided }: Overlay,
  { topic, queue }: { readonly topic: number; readonly queue: number },
  offset: number,
  nowMs: number,
): Trimmed | undefined {
  const row = decided.queues.find(topic, queue);
  if (row < 0) return undefined;
  const to = Math.min(offset, decided.queues.next[row] ?? 0);
  return to <= (decided.queues.min[row] ?? 0)
    ? undefined
    : { kind: "trimmed", timeMs: nowMs, topic, queue, offset: to };
}

/** Lets go of the shard's log below `index`; `undefined` when that is decided already. */
export function decideLogStart({ decided }: Overlay, index: number, nowMs: number): LogStartRaised | undefined {
  return index <= decided.logStart ? undefined : { kind: "logStartRaised", timeMs: nowMs, index };
}

/** Deletes a topic's queues here; `undefined` when that is decided already. */
export function decideTopicDelete({ decided }: Overlay, topic: number, nowMs: number): TopicDeleted | undefined {
  return decided.deletedTopics.has(topic) ? undefined : { kind: "topicDeleted", timeMs: nowMs, topic };
}

/** Deletes a group's cursors here; `undefined` when that is decided already. */
export function decideGroupDelete({ decided }: Overlay, group: number, nowMs: number): GroupDeleted | undefined {
  return decided.deletedGroups.has(group) ? undefined : { kind: "groupDeleted", timeMs: nowMs, group };
}
