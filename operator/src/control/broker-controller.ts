import { randomUUID } from "node:crypto";
import { type BrokerSpec, brokerSpec } from "../api/broker.ts";
import type { ClusterAdmin } from "../grpc/cluster-admin.ts";
import { brokerChildren, brokerPod, brokerPods } from "../model/broker-set.ts";
import type { Owner } from "../model/manifest.ts";
import { indexOfAddress, memberName, nameServerEndpoints, selectorLabels } from "../model/naming.ts";
import { type PodPlan, podRevision } from "../model/pod.ts";
import { numberOfQuantity } from "../model/quantity.ts";
import { brokerVerdicts, countsOf, stateOf } from "../plan/broker-verdicts.ts";
import { type BrokerWorld, desiredMembers, type KnownBroker, type Member } from "../plan/broker-world.ts";
import { nextBrokerAction } from "../plan/next-broker-action.ts";
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
import { performOnBroker } from "./perform.ts";

/** Looks at a broker set, makes at most one step, and writes what it found. @returns when to look again, milliseconds */
export async function reconcileBroker(control: Control, namespace: string, name: string): Promise<number | undefined> {
  const resource = await control.objects.get<CustomResource>("Broker", namespace, name);
  // Children carry owner references: the API server collects them.
  if (resource?.metadata.deletionTimestamp !== undefined || resource === undefined) return undefined;
  const spec = specOf(brokerSpec, resource);
  const owner = ownerOf("Broker", resource);
  const group = await control.objects.get<CustomResource>("NameServer", namespace, spec.nameServerRef.name);
  const nameServers = group === undefined ? [] : memberIdsOf(group);
  const plan = brokerPods({ owner, spec, image: control.image });
  if (!spec.paused && nameServers.length > 0)
    await applyChildren(control, brokerChildren({ owner, spec, image: control.image }, plan));
  const admin = control.admin(namespace, spec.nameServerRef.name, nameServers);
  const { world, cluster } = await observe(control, admin, { owner, spec, plan });
  const next = nextBrokerAction(world);
  await writeStatus(control, "Broker", resource, statusOf(owner, world, cluster), brokerVerdicts(world, next));
  if (next.kind === "settled") return againMs.settled;
  if (next.kind === "wait" || nameServers.length === 0 || !control.leads()) return againMs.waiting;
  const endpoints = nameServerEndpoints(namespace, spec.nameServerRef.name, nameServers);
  const making = { owner, claims: spec.storage, pod: (index: number) => brokerPod(plan, index, endpoints) };
  control.logger.info({ set: `${namespace}/${name}`, action: next.action }, "making a step for a broker set");
  await performOnBroker(control, making, next.action, (method, broker) =>
    admin.call(method, { requestId: randomUUID(), broker }),
  );
  return againMs.moved;
}

type Set = { readonly owner: Owner; readonly spec: BrokerSpec; readonly plan: PodPlan };

/** All of it read now, from the API server and from the leading name server: no cache can make a step look due that is done. */
async function observe(
  { objects }: Control,
  admin: ClusterAdmin,
  { owner, spec, plan }: Set,
): Promise<{ readonly world: BrokerWorld; readonly cluster: Cluster | undefined }> {
  const labels = selectorLabels(owner);
  const pods = await objects.list<LivePod>("Pod", owner.namespace, labels);
  const claims = await objects.list<LiveClaim>("PersistentVolumeClaim", owner.namespace, labels);
  const cluster = await describe(admin);
  const found = membersOf(pods, claims, { revision: podRevision(plan), topologyKey: spec.zones.topologyKey });
  const rolls = [...found.values()].some(({ pod }) => pod?.updated === false);
  const brokers = await brokersOf(admin, owner, cluster, rolls);
  const indexes = [...new Set([...found.keys(), ...brokers.keys()])].sort((one, other) => one - other);
  const members = indexes.map((index): Member => {
    const broker = brokers.get(index);
    return { index, ...found.get(index), ...(broker === undefined ? {} : { broker }) };
  });
  const { replicas, replicationFactor, paused, updateStrategy, storage } = spec;
  const world = {
    ...{ replicas, replicationFactor, paused, members },
    ...{ rollsByItself: updateStrategy === "RollingUpdate", reclaim: storage.reclaim },
    ...{ claimBytes: numberOfQuantity(storage.size) ?? 0, clusterKnown: cluster !== undefined },
  };
  return { world, cluster };
}

/** Brokers that registered from members of this set and are not forgotten, by index. @param rolls whether it matters that one can be restarted */
async function brokersOf(
  admin: ClusterAdmin,
  owner: Owner,
  cluster: Cluster | undefined,
  rolls: boolean,
): Promise<ReadonlyMap<number, KnownBroker>> {
  const found = new Map<number, KnownBroker>();
  for (const broker of cluster?.brokers ?? []) {
    const index = indexOfAddress(owner, broker.address);
    if (index === undefined || broker.state === "removed") continue;
    const { id, draining, leadersAway, replicas, leads } = broker;
    const up = broker.state !== "down";
    const restartSafe = rolls && up ? { restartSafe: (await admin.call("RestartSafety", { broker: id })).safe } : {};
    found.set(index, { id, up, draining, leadersAway, replicas, leads, ...restartSafe });
  }
  return found;
}

function statusOf(owner: Owner, world: BrokerWorld, cluster: Cluster | undefined): Readonly<Record<string, unknown>> {
  return {
    ...countsOf(world),
    desiredReplicas: desiredMembers(world),
    selector: Object.entries(selectorLabels(owner))
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
    ...(cluster === undefined ? {} : { clusterId: cluster.clusterId }),
    members: world.members.map((member) => ({
      name: memberName(owner, member.index),
      ...(member.broker === undefined ? {} : { brokerId: member.broker.id }),
      ...(member.pod?.zone === undefined ? {} : { zone: member.pod.zone }),
      ...{ state: stateOf(member), ready: member.pod?.ready ?? false },
    })),
  };
}
