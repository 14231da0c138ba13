import { SaturnError } from "@saturnmq/kit";
import { type AdminQueueProgress, adminGroup, adminGroups, type GroupInfo, groupCommand } from "@saturnmq/wire";
import type { GroupTopicStatus } from "../messaging.ts";
import type { AdminHandler, AdminRoom } from "./handler.ts";

export const createGroup: AdminHandler<"CreateGroup"> = async ({ metadata }, request) =>
  adminGroup(await metadata.createGroup(groupCommand(request)));

export const listGroups: AdminHandler<"ListGroups"> = ({ view }) => ({ groups: adminGroups(view()) });

export const describeGroup: AdminHandler<"DescribeGroup"> = async (room, { name }) => {
  const group = knownGroup(room, name);
  const topics = await room.messaging.describeGroup(group);
  const sorted = [...topics].sort((a, b) => (a.topic < b.topic ? -1 : 1));
  return {
    group: adminGroup(group),
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

function progressMessage(progress: GroupTopicStatus["queues"][number]): AdminQueueProgress {
  const { startOffset, oldestUnackedAtMs, ...numbers } = progress;
  return {
    ...numbers,
    ...(startOffset === undefined ? {} : { startOffset }),
    ...(oldestUnackedAtMs === undefined ? {} : { oldestUnackedAtMs }),
  };
}
