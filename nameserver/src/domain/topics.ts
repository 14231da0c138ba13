import { isDeadLetterTopic, SaturnError, topicNameProblem } from "@saturnmq/kit";
import type { CreateTopic, MessageType, TopicInfo } from "@saturnmq/wire";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { MetadataState } from "./state.ts";

/** Most queues of one topic. */
const queuesMax = 1_024;
const retentionMinMs = 1_000;
const retentionMaxMs = 3_650 * 86_400_000;
// The other types' deliveries are not built: a topic that promised them would break the promise.
const offeredTypes: ReadonlySet<MessageType> = new Set(["NORMAL", "FIFO"]);

/**
 * A new topic with the next id.
 *
 * @param nowMs wall clock of the leader, milliseconds
 * @throws {SaturnError} `ILLEGAL_TOPIC`, `BAD_REQUEST`, `UNIMPLEMENTED`, `ALREADY_EXISTS`
 */
export function decideCreateTopic(state: MetadataState, request: CreateTopic, nowMs: number): Decision<TopicInfo> {
  const { requestId, name, type, queues, retentionMs } = request;
  const earlier = finishedBefore(state, requestId, `createTopic ${name}`);
  if (earlier?.topic !== undefined) return { records: [], reply: earlier.topic };
  checkTopic(request);
  if (state.topics.has(name)) throw new SaturnError("ALREADY_EXISTS", `topic ${name} exists already`);
  const topic: TopicInfo = { id: state.nextTopicId, name, type, queues, retentionMs, createdAtMs: nowMs };
  return { records: [{ kind: "topicCreated", requestId, topic }], reply: topic };
}

function checkTopic({ name, type, queues, retentionMs }: CreateTopic): void {
  const problem = topicNameProblem(name);
  if (problem !== undefined) throw new SaturnError("ILLEGAL_TOPIC", problem);
  if (!offeredTypes.has(type)) {
    throw new SaturnError(
      "UNIMPLEMENTED",
      `this version does not offer ${type} topics yet: create it with type NORMAL or FIFO`,
    );
  }
  if (!Number.isInteger(queues) || queues < 1 || queues > queuesMax) {
    throw new SaturnError("BAD_REQUEST", `a topic has 1 to ${queuesMax} queues, not ${queues}`);
  }
  if (retentionMs === undefined) return;
  if (!Number.isInteger(retentionMs) || retentionMs < retentionMinMs || retentionMs > retentionMaxMs) {
    throw new SaturnError("BAD_REQUEST", `retention must be between 1 second and 3650 days, not ${retentionMs} ms`);
  }
}

/**
 * The end of a topic and of its messages.
 *
 * @throws {SaturnError} `TOPIC_NOT_FOUND`, `BAD_REQUEST`, `FORBIDDEN` for a topic of dead letters
 */
export function decideDeleteTopic(
  state: MetadataState,
  { requestId, name }: { readonly requestId: string; readonly name: string },
): Decision<undefined> {
  if (finishedBefore(state, requestId, `deleteTopic ${name}`) !== undefined) return { records: [], reply: undefined };
  if (isDeadLetterTopic(name))
    throw new SaturnError("FORBIDDEN", `topic ${name} holds a group's dead letters: it is deleted with its group`);
  if (!state.topics.has(name)) throw new SaturnError("TOPIC_NOT_FOUND", `topic ${JSON.stringify(name)} does not exist`);
  return { records: [{ kind: "topicDeleted", requestId, name }], reply: undefined };
}
