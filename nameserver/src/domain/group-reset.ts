import { SaturnError } from "@saturnmq/kit";
import type { GroupInfo, StartPosition } from "@saturnmq/wire";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { ResetGroup } from "./requests.ts";
import type { MetadataState } from "./state.ts";

/**
 * Starts a group anew from a position: what it had acknowledged before counts no more.
 *
 * @param nowMs wall clock of the leader, milliseconds: `latest`
 * @throws {SaturnError} `CONSUMER_GROUP_NOT_FOUND`; `BAD_REQUEST` unless exactly one position is given
 */
export function decideResetGroup(state: MetadataState, request: ResetGroup, nowMs: number): Decision<GroupInfo> {
  const { requestId, name } = request;
  const earlier = finishedBefore(state, requestId, `resetGroup ${name}`);
  if (earlier?.group !== undefined) return { records: [], reply: earlier.group };
  const group = state.groups.get(name);
  if (group === undefined) {
    throw new SaturnError("CONSUMER_GROUP_NOT_FOUND", `consumer group ${JSON.stringify(name)} does not exist`);
  }
  const start = startOf(request, nowMs);
  const reset = { ...group, start, cursorEpoch: group.cursorEpoch + 1 };
  return { records: [{ kind: "groupReset", requestId, name, start }], reply: reset };
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
