import { SaturnError } from "@saturnmq/kit";
import type { GroupInfo, StartPosition } from "@saturnmq/wire";
import { checkLevel } from "./feature-level.ts";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { ResetGroup } from "./requests.ts";
import type { MetadataState } from "./state.ts";

/** Older members would take a reset on one topic for one on all, or for none. */
const topicResetLevel = 2;

/**
 * Starts a group anew from a position, on all topics or on one: what it had acknowledged there before counts no more.
 *
 * @param nowMs wall clock of the leader, milliseconds: `latest`
 * @throws {SaturnError} `CONSUMER_GROUP_NOT_FOUND`, `TOPIC_NOT_FOUND`; `BAD_REQUEST` unless exactly one position is given; `FAILED_PRECONDITION`
 *   for one topic below feature level 2
 */
export function decideResetGroup(state: MetadataState, request: ResetGroup, nowMs: number): Decision<GroupInfo> {
  const { requestId, name } = request;
  const topic = request.topic === "" ? undefined : topicId(state, request.topic);
  const earlier = finishedBefore(state, requestId, resetCall(name, topic));
  if (earlier?.group !== undefined) return { records: [], reply: earlier.group };
  const group = state.groups.get(name);
  if (group === undefined) {
    throw new SaturnError("CONSUMER_GROUP_NOT_FOUND", `consumer group ${JSON.stringify(name)} does not exist`);
  }
  const start = startOf(request, nowMs);
  if (topic !== undefined) checkLevel(state, topicResetLevel, "resetting a group on one topic");
  const about = topic === undefined ? {} : { topic };
  return {
    records: [{ kind: "groupReset", requestId, name, start, ...about }],
    reply: resetGroup(state, group, { start, topic }),
  };
}

/** Verb and subject of a reset, as `finishedBefore` compares them. */
export function resetCall(name: string, topic: number | undefined): string {
  return topic === undefined ? `resetGroup ${name}` : `resetGroup ${name} on topic ${topic}`;
}

/** The group as it is after a reset. One on all topics ends what was said about single ones; what was said about deleted ones is forgotten. */
export function resetGroup(
  { topics }: MetadataState,
  { resets = [], ...group }: GroupInfo,
  { start, topic }: { readonly start: StartPosition; readonly topic: number | undefined },
): GroupInfo {
  const cursorEpoch = Math.max(group.cursorEpoch, ...resets.map((reset) => reset.cursorEpoch)) + 1;
  if (topic === undefined) return { ...group, start, cursorEpoch };
  const living = new Set(Array.from(topics.values(), ({ id }) => id));
  const others = resets.filter((reset) => reset.topic !== topic && living.has(reset.topic));
  return { ...group, resets: [...others, { topic, start, cursorEpoch }] };
}

function topicId({ topics }: MetadataState, name: string): number {
  const topic = topics.get(name);
  if (topic !== undefined) return topic.id;
  throw new SaturnError("TOPIC_NOT_FOUND", `topic ${JSON.stringify(name)} does not exist`);
}

function startOf({ earliest, latest, atMs }: ResetGroup, nowMs: number): StartPosition {
  if (earliest === true) return { kind: "earliest" };
  if (latest === true) return { kind: "time", atMs: nowMs };
  if (atMs !== undefined && Number.isSafeInteger(atMs) && atMs >= 0) return { kind: "time", atMs };
  throw new SaturnError(
    "BAD_REQUEST",
    "a reset needs where to: earliest, latest, or a time in milliseconds since 1970",
  );
}
