import { isDeadLetterTopic } from "@saturnmq/kit";
import { shardOfQueue, type TopicInfo } from "@saturnmq/wire";

/** The shard that a topic's queue lives in. Dead letters are kept in the shard that their messages were in: queue *s* is in shard *s* (design 2). */
export function shardOfTopicQueue({ id, name }: TopicInfo, queue: number, shardCount: number): number {
  return isDeadLetterTopic(name) ? queue % shardCount : shardOfQueue(id, queue, shardCount);
}
