import { SaturnError } from "@saturnmq/kit";
import type { AdminGroup, AdminGroupStart, AdminQueueProgress, GroupInfo, StartPosition } from "@saturnmq/wire";
import type { GroupTopicStatus } from "../messaging.ts";
import type { AdminHandler, AdminRoom } from "./handler.ts";
import { byName } from "./topics.ts";

const starts = { FROM_UNSPECIFIED: "default", EARLIEST: "earliest", LATEST: "latest" } as const;

export const createGroup: AdminHandler<"CreateGroup"> = async ({ metadata }, request) => {
  const { requestId, name, order, from, maxAttempts } = request;
  const group = await metadata.createGroup({
    requestId,
    name,
    order,
    from: starts[from],
    maxAttempts: maxAttempts === 0 ? undefined : maxAttempts,
    implicit: false,
  });
  return groupMessage(group);
};

export const listGroups: AdminHandler<"ListGroups"> = ({ view }) => {
  return { groups: [...view().groups.values()].sort(byName).map(groupMessage) };
};

export const describeGroup: AdminHandler<"DescribeGroup"> = async (room, { name }) => {
  const group = knownGroup(room, name);
  const topics = await room.messaging.describeGroup(group);
  const sorted = [...topics].sort((a, b) => (a.topic < b.topic ? -1 : 1));
  return {
    group: groupMessage(group),
    topics: sorted.map(({ topic, queues }) => ({ topic, queues: queues.map(progressMessage) })),
  };
};

export const deleteGroup: AdminHandler<"DeleteGroup"> = async ({ metadata }, { requestId, name }) => {
  await metadata.deleteGroup({ requestId, name });
  return {};
};

/** Not `messaging.group`: looking at a group must not create it. @throws {SaturnError} `CONSUMER_GROUP_NOT_FOUND` */
export function knownGroup({ view }: AdminRoom, name: string): GroupInfo {
  const group = view().groups.get(name);
  if (group !== undefined) return group;
  throw new SaturnError("CONSUMER_GROUP_NOT_FOUND", `consumer group ${JSON.stringify(name)} does not exist`);
}

function groupMessage({ id, name, order, start, maxAttempts, createdAtMs }: GroupInfo): AdminGroup {
  return { id, name, order, start: startMessage(start), maxAttempts, createdAtMs };
}

function startMessage(start: StartPosition): AdminGroupStart {
  switch (start.kind) {
    case "default":
      return { byTopicAge: true };
    case "earliest":
      return { earliest: true };
    case "time":
      return { atMs: start.atMs };
  }
}

function progressMessage(progress: GroupTopicStatus["queues"][number]): AdminQueueProgress {
  const { startOffset, oldestUnackedAtMs, ...numbers } = progress;
  return {
    ...numbers,
    ...(startOffset === undefined ? {} : { startOffset }),
    ...(oldestUnackedAtMs === undefined ? {} : { oldestUnackedAtMs }),
  };
}
