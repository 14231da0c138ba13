import { type BrokerSpec, brokerSpec } from "../api/broker.ts";
import { nameServerSpec } from "../api/name-server.ts";
import type { Owner } from "../model/manifest.ts";
import { type ClusterShape, nameServerChildren, nameServerPod, nameServerPods } from "../model/name-server-group.ts";
import { selectorLabels } from "../model/naming.ts";
import { podRevision } from "../model/pod.ts";
import { numberOfQuantity } from "../model/quantity.ts";
import { nameServerVerdicts } from "../plan/name-server-verdicts.ts";
import { type NameServerWorld, nextNameServerAction } from "../plan/next-name-server-action.ts";
import { againMs, applyChildren, type Control, type CustomResource, ownerOf, specOf, writeStatus } from "./control.ts";
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
  if (!spec.paused && shape !== undefined)
    await applyChildren(control, nameServerChildren({ owner, spec, image: control.image }, plan));
  const labels = selectorLabels(owner);
  const pods = await objects.list<LivePod>("Pod", namespace, labels);
  const claims = await objects.list<LiveClaim>("PersistentVolumeClaim", namespace, labels);
  const found = membersOf(pods, claims, { revision: podRevision(plan), topologyKey: spec.zones.topologyKey });
  const members = Array.from({ length: spec.replicas }, (_, place) => ({ index: place + 1, ...found.get(place + 1) }));
  const whole = members.every(({ pod }) => pod?.ready === true);
  const world: NameServerWorld = {
    ...{
      paused: spec.paused,
      rollsByItself: spec.updateStrategy === "RollingUpdate",
      members,
      shaped: shape !== undefined,
    },
    ...{ claimBytes: numberOfQuantity(spec.storage.size) ?? 0, formed: whole || resource.status?.["formed"] === true },
  };
  const next = nextNameServerAction(world);
  const present = members.flatMap(({ pod }) => (pod === undefined ? [] : [pod]));
  const counts = {
    ...{ replicas: present.length, formed: world.formed },
    ...{
      readyReplicas: present.filter(({ ready }) => ready).length,
      updatedReplicas: present.filter(({ updated }) => updated).length,
    },
  };
  await writeStatus(control, "NameServer", resource, counts, nameServerVerdicts(world, next));
  if (next.kind === "settled") return againMs.settled;
  if (next.kind === "wait" || shape === undefined || !control.leads()) return againMs.waiting;
  logger.info({ set: `${namespace}/${name}`, action: next.action }, "making a step for a name server group");
  const making = { owner, claims: spec.storage, pod: (index: number) => nameServerPod(plan, index) };
  await performOnMember(control, making, next.action);
  return againMs.moved;
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
