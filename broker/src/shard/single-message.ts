import { SaturnError } from "@saturnmq/kit";
import { CorruptionError } from "@saturnmq/store";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { decideSkipOne } from "../domain/filters.ts";
import type { ShardState } from "../domain/shard-state.ts";
import type { PeekedMessage, SkippedMessage } from "../messaging.ts";
import type { ReadableShard } from "./readable-shard.ts";
import type { Led } from "./shard-runtime.ts";

/** A message by its place in a queue of a topic. */
export type MessagePlace = { readonly topic: TopicInfo; readonly queue: number; readonly offset: number };

/** Reads a message without leasing it. @throws {SaturnError} `OFFSET_NOT_FOUND` */
export async function peekOne({ reader }: ReadableShard, { state }: Led, place: MessagePlace): Promise<PeekedMessage> {
  checkPlace(state, place);
  const { topic, queue, offset } = place;
  try {
    const { message, bodyCrc, storedAtMs } = await reader.messages.one(topic.id, queue, offset);
    return { message, bodyCrc, storedAtMs, offset };
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    throw new SaturnError("INTERNAL_ERROR", `the message cannot be read: ${error.message}`, { cause: error });
  }
}

/**
 * Finishes a message for a group without delivering it, and tells in what state it was. Only looks unless `confirmed`.
 *
 * @throws {SaturnError} `OFFSET_NOT_FOUND`, `NOT_FOUND` where the group has not begun
 */
export async function skipOne(
  { runtime, reader }: ReadableShard,
  led: Led,
  group: GroupInfo,
  place: MessagePlace,
  confirmed: boolean,
): Promise<SkippedMessage> {
  checkPlace(led.state, place);
  const { topic, queue, offset } = place;
  if (led.state.cursorOf(group.id, topic.id, queue) < 0)
    throw new SaturnError(
      "NOT_FOUND",
      `consumer group ${group.name} has not begun on queue ${queue} of topic ${topic.name}: there is nothing to skip`,
    );
  const damage = await damageOf(reader.messages.one(topic.id, queue, offset));
  if (led !== runtime.led) throw new SaturnError("HA_NOT_AVAILABLE", "the shard's leader has changed: try again");
  const at = { group: group.id, topic: topic.id, queue, offset };
  const record = decideSkipOne(led.overlay, at, runtime.now());
  if (record !== undefined && confirmed) runtime.stage(led, record);
  await runtime.settled();
  return { finishedBefore: record === undefined, damage };
}

async function damageOf(reading: Promise<unknown>): Promise<string | undefined> {
  try {
    await reading;
    return undefined;
  } catch (error) {
    if (error instanceof CorruptionError) return error.message;
    throw error;
  }
}

function checkPlace({ queues }: ShardState, { topic, queue, offset }: MessagePlace): void {
  const row = queues.find(topic.id, queue);
  const [min, next] = row < 0 ? [0, 0] : [queues.min[row] ?? 0, queues.next[row] ?? 0];
  if (queue >= topic.queues)
    throw new SaturnError(
      "OFFSET_NOT_FOUND",
      `topic ${topic.name} has queues 0 to ${topic.queues - 1}, no queue ${queue}`,
    );
  if (offset >= min && offset < next) return;
  const held = next > min ? `holds offsets ${min} to ${next - 1}, not ${offset}` : "holds nothing";
  throw new SaturnError("OFFSET_NOT_FOUND", `queue ${queue} of topic ${topic.name} ${held}`);
}
