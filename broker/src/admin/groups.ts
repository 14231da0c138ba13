import { SaturnError } from "@saturnmq/kit";
import {
  type AdminQueueProgress,
  adminGroup,
  adminGroups,
  type GroupInfo,
  groupCommand,
  type ResetPosition,
  type StartPosition,
} from "@saturnmq/wire";
import type { GroupTopicStatus } from "../messaging.ts";
import type { AdminHandler, AdminRoom } from "./handler.ts";

export const createGroup: AdminHandler<"CreateGroup"> = async ({ metadata }, request) =>
  adminGroup(await metadata.createGroup(groupCommand(request)));

export const listGroups: AdminHandler<"ListGroups"> = ({ view }) => ({ groups: adminGroups(view()) });

/** Other brokers of an older version would not know what to make of "as if". */
const asIfResetLevel = 2;

export const describeGroup: AdminHandler<"DescribeGroup"> = async (room, { name, ...position }) => {
  const group = knownGroup(room, name);
  const asIfReset = startOf(position);
  const { featureLevel } = room.view();
  if (asIfReset !== undefined && featureLevel < asIfResetLevel) {
    throw new SaturnError(
      "FAILED_PRECONDITION",
      `showing what a reset would change needs feature level ${asIfResetLevel}, the cluster stands on ${featureLevel}: raise it with 'saturnmq cluster upgrade' once all members know it`,
    );
  }
  const topics = await room.messaging.describeGroup(group, asIfReset);
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

/** Where a reset would start a group; `undefined`: none is asked about. What is stored later than any time is what is stored from now on. */
function startOf({ earliest, latest, atMs }: ResetPosition): StartPosition | undefined {
  if (earliest === true) return { kind: "earliest" };
  if (latest === true) return { kind: "time", atMs: Number.MAX_SAFE_INTEGER };
  return atMs === undefined ? undefined : { kind: "time", atMs };
}

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
