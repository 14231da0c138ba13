import { randomUUID } from "node:crypto";
import { SaturnError } from "@saturnmq/kit";
import { type BrokerSpec, brokerSpec } from "../api/broker.ts";
import { type NameServerSpec, nameServerSpec } from "../api/name-server.ts";
import type { ClusterAdmin } from "../grpc/cluster-admin.ts";
import type { Owner } from "../model/manifest.ts";
import {
  type ClusterShape,
  nameServerAddress,
  nameServerChildren,
  nameServerPod,
  nameServerPods,
} from "../model/name-server-group.ts";
import { selectorLabels } from "../model/naming.ts";
import { type PodPlan, podRevision } from "../model/pod.ts";
import { numberOfQuantity } from "../model/quantity.ts";
import { isOfGroup, type NameServerAction, type Next, waitFor } from "../plan/action.ts";
import { nameServerVerdicts } from "../plan/name-server-verdicts.ts";
import { belongingTo, type NameServerMember, type NameServerWorld, type Part } from "../plan/name-server-world.ts";
import { nextNameServerAction } from "../plan/next-name-server-action.ts";
import {
  againMs,
  applyChildren,
  type Cluster,
  type Control,
  type CustomResource,
  describe,
  memberIdsOf,
  ownerOf,
  specOf,
  writeStatus,
} from "./control.ts";
import { type LiveClaim, type LivePod, membersOf } from "./members.ts";
import { performOnMember } from "./perform.ts";

/** Looks at a name server group, makes at most one step, and writes what it found. @returns when to look again, milliseconds */
export async function reconcileNameServer(
  control: Control,
  namespace: string,
  name: string,
): Promise<number | undefined> {
  const { objects, logger } = control;
  const resource = await objects.get<CustomResource>("NameServer", namespace, name);
  if (resource?.metadata.deletionTimestamp !== undefined || resource === undefined) return undefined;
  const spec = specOf(nameServerSpec, resource);
  const owner = ownerOf("NameServer", resource);
  const shape = await shapeOf(control, owner);
  const plan = nameServerPods({ owner, spec, image: control.image }, shape ?? unshaped);
  const ids = memberIdsOf(resource);
  if (!spec.paused && shape !== undefined) {
    const most = Math.max(spec.replicas, ids.length);
    await applyChildren(control, nameServerChildren({ owner, spec, image: control.image }, plan, most));
  }
  const admin = control.admin(namespace, name, ids);
  const world = await observe(control, admin, { resource, owner, spec, plan, ids, shaped: shape !== undefined });
  const mayAct = shape !== undefined && control.leads();
  const next = await changed(control, admin, owner, nextNameServerAction(world), mayAct);
  await writeStatus(control, "NameServer", resource, statusOf(world), nameServerVerdicts(world, next));
  if (next.kind === "settled") return againMs.settled;
  if (next.kind === "wait" || !mayAct) return againMs.waiting;
  const { action } = next;
  if (isOfGroup(action)) return againMs.moved;
  logger.info({ set: `${namespace}/${name}`, action }, "making a step for a name server group");
  // Who comes later asks those that are members, and is one of them by then.
  const told = world.formed ? belongingTo(world).map(({ index }) => index) : ids;
  const making = {
    owner,
    claims: spec.storage,
    pod: (index: number) => nameServerPod(plan, index, listed(told)),
  };
  await performOnMember(control, making, action);
  return againMs.moved;
}

/** A process takes a list of an odd number only; one more that nobody is does no harm to one that asks those that are for its place. */
function listed(ids: readonly number[]): readonly number[] {
  return ids.length % 2 === 1 ? ids : [...ids, Math.max(...ids) + 1];
}

type Set = {
  readonly resource: CustomResource;
  readonly owner: Owner;
  readonly spec: NameServerSpec;
  readonly plan: PodPlan;
  readonly ids: readonly number[];
  readonly shaped: boolean;
};

async function observe(
  { objects }: Control,
  admin: ClusterAdmin,
  { resource, owner, spec, plan, ids, shaped }: Set,
): Promise<NameServerWorld> {
  const labels = selectorLabels(owner);
  const pods = await objects.list<LivePod>("Pod", owner.namespace, labels);
  const claims = await objects.list<LiveClaim>("PersistentVolumeClaim", owner.namespace, labels);
  const before = resource.status?.["formed"] === true;
  const cluster = before || pods.length > 0 ? await describe(admin) : undefined;
  const found = membersOf(pods, claims, { revision: podRevision(plan), topologyKey: spec.zones.topologyKey });
  // A name server of an earlier version tells nothing of parts.
  const group = cluster?.nextNameServer === 0 ? undefined : cluster;
  const parts = partsOf(group);
  const indexes = [...new Set([...found.keys(), ...parts.keys(), ...ids])].sort((one, other) => one - other);
  const members = indexes.map((index): NameServerMember => {
    const part = parts.get(index);
    return { index, ...found.get(index), ...(part === undefined ? {} : { part }) };
  });
  const formed = before || cluster !== undefined;
  return {
    ...{ paused: spec.paused, rollsByItself: spec.updateStrategy === "RollingUpdate", replicas: spec.replicas },
    ...{ reclaim: spec.storage.reclaim, claimBytes: numberOfQuantity(spec.storage.size) ?? 0 },
    ...{ shaped, formed, nextId: group?.nextNameServer, members },
    ids: group === undefined ? ids : [...parts].filter(([, part]) => part !== "leaves").map(([id]) => id),
  };
}

/** Members as their leader tells them; nothing when none leads. */
function partsOf(cluster: Cluster | undefined): ReadonlyMap<number, Part> {
  return new Map((cluster?.nameServers ?? []).map(({ id, part }) => [id, part as Part]));
}

/** Has the group itself take a step that is its to take; what it refuses is waited for. */
async function changed(
  { logger }: Control,
  admin: ClusterAdmin,
  owner: Owner,
  next: Next<NameServerAction>,
  mayAct: boolean,
): Promise<Next<NameServerAction>> {
  if (next.kind !== "act" || !mayAct) return next;
  const { action } = next;
  if (!isOfGroup(action)) return next;
  const { index: id } = action;
  const requestId = randomUUID();
  logger.info({ set: `${owner.namespace}/${owner.name}`, action }, "asking a name server group to change its members");
  try {
    if (action.kind === "removeMember") await admin.call("RemoveNameServer", { requestId, id });
    else await admin.call("AddNameServer", { requestId, id, ...nameServerAddress(owner, id) });
    return next;
  } catch (error) {
    if (!(error instanceof SaturnError) || error.code !== "FAILED_PRECONDITION") throw error;
    return waitFor("groupRefuses", error.message);
  }
}

function statusOf(world: NameServerWorld): Readonly<Record<string, unknown>> {
  const present = world.members.flatMap(({ pod }) => (pod === undefined ? [] : [pod]));
  return {
    ...{ replicas: present.length, formed: world.formed, memberIds: world.ids },
    ...{
      readyReplicas: present.filter(({ ready }) => ready).length,
      updatedReplicas: present.filter(({ updated }) => updated).length,
    },
  };
}

/** For comparing pods when nobody says what the cluster is to be; nothing is made from it. */
const unshaped: ClusterShape = { shards: 1, replicationFactor: 1 };

/** What the oldest broker set that names the group wants the cluster to be. */
async function shapeOf({ objects }: Control, { name, namespace }: Owner): Promise<ClusterShape | undefined> {
  const sets = await objects.list<CustomResource>("Broker", namespace, {});
  const naming = sets
    .map((set): [string, BrokerSpec] => [set.metadata.creationTimestamp + set.metadata.name, specOf(brokerSpec, set)])
    .filter(([, spec]) => spec.nameServerRef.name === name)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const [, oldest] = naming[0] ?? [];
  return oldest === undefined ? undefined : { shards: oldest.shards, replicationFactor: oldest.replicationFactor };
}
