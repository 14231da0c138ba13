import { deadLetterTopicOf, defined, groupNameProblem, SaturnError } from "@saturnmq/kit";
import type { CreateGroup, GroupInfo, StartPosition, TopicInfo } from "@saturnmq/wire";
import type { Decision, MetadataRecord } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { MetadataState } from "./state.ts";

/** Deliveries of one message when nothing else is said: the first and RocketMQ's 16 retries (contract 2.4). */
const maxAttemptsDefault = 17;
const maxAttemptsMax = 1_000;

/**
 * A new group with the next id, and the topic of its dead letters: a queue for each shard. Its start is settled here, once. An existing one
 * answers an implicit creation.
 *
 * @param nowMs wall clock of the leader, milliseconds
 * @throws {SaturnError} `ILLEGAL_CONSUMER_GROUP`, `BAD_REQUEST`, `ALREADY_EXISTS`
 */
export function decideCreateGroup(state: MetadataState, request: CreateGroup, nowMs: number): Decision<GroupInfo> {
  const { requestId, name, order, implicit } = request;
  const earlier = finishedBefore(state, requestId, `createGroup ${name}`);
  if (earlier?.group !== undefined) return { records: [], reply: earlier.group };
  checkGroup(request);
  const existing = state.groups.get(name);
  if (existing !== undefined && implicit) return { records: [], reply: existing };
  if (existing !== undefined) throw new SaturnError("ALREADY_EXISTS", `consumer group ${name} exists already`);
  const group: GroupInfo = {
    id: state.nextGroupId,
    name,
    order,
    start: startOf(request.from, nowMs),
    maxAttempts: request.maxAttempts ?? maxAttemptsDefault,
    cursorEpoch: 1,
    createdAtMs: nowMs,
  };
  const topic = deadLetterTopic(state, name, nowMs);
  return {
    records: [
      { kind: "topicCreated", requestId, topic },
      { kind: "groupCreated", requestId, group },
    ],
    reply: group,
  };
}

function deadLetterTopic(state: MetadataState, group: string, nowMs: number): TopicInfo {
  const queues = defined(state.cluster, "a cluster that takes commands").shardCount;
  const about = { name: deadLetterTopicOf(group), type: "NORMAL", retentionMs: undefined, createdAtMs: nowMs } as const;
  return { id: state.nextTopicId, queues, ...about };
}

function checkGroup({ name, maxAttempts }: CreateGroup): void {
  const problem = groupNameProblem(name);
  if (problem !== undefined) throw new SaturnError("ILLEGAL_CONSUMER_GROUP", problem);
  if (maxAttempts === undefined) return;
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1 || maxAttempts > maxAttemptsMax) {
    throw new SaturnError("BAD_REQUEST", `maximum attempts must be 1 to ${maxAttemptsMax}, not ${maxAttempts}`);
  }
}

function startOf(from: CreateGroup["from"], nowMs: number): StartPosition {
  if (from === "latest") return { kind: "time", atMs: nowMs };
  return { kind: from };
}

/**
 * The end of a group, of its progress and of its dead letters. One that an earlier version made may have no topic for them.
 *
 * @throws {SaturnError} `CONSUMER_GROUP_NOT_FOUND`, `BAD_REQUEST`
 */
export function decideDeleteGroup(
  state: MetadataState,
  { requestId, name }: { readonly requestId: string; readonly name: string },
): Decision<undefined> {
  if (finishedBefore(state, requestId, `deleteGroup ${name}`) !== undefined) return { records: [], reply: undefined };
  if (!state.groups.has(name)) {
    throw new SaturnError("CONSUMER_GROUP_NOT_FOUND", `consumer group ${JSON.stringify(name)} does not exist`);
  }
  const topic = deadLetterTopicOf(name);
  const records: MetadataRecord[] = [{ kind: "groupDeleted", requestId, name }];
  if (state.topics.has(topic)) records.unshift({ kind: "topicDeleted", requestId, name: topic });
  return { records, reply: undefined };
}
