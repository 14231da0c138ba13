import { randomUUID } from "node:crypto";
import { SaturnError } from "@saturnmq/kit";
import { brokerSpec } from "../api/broker.ts";
import type { ClusterAdmin } from "../grpc/cluster-admin.ts";
import { type AnyVerdict, verdict } from "../plan/conditions.ts";
import { againMs, type Control, type CustomResource, memberIdsOf, specOf, writeStatus } from "./control.ts";
import { Inventory } from "./inventory.ts";

/** What is declared is found again by its name. */
type Named = { readonly name: string };

/** A kind whose objects declare something inside a cluster by name: how it is listed, made, compared and removed there. */
export type Declared<Found extends Named> = {
  readonly kind: "Topic" | "ConsumerGroup";
  readonly wanted: (resource: CustomResource) => Wanted;
  readonly list: (admin: ClusterAdmin) => Promise<readonly Found[]>;
  readonly create: (admin: ClusterAdmin, resource: CustomResource, requestId: string) => Promise<Found>;
  readonly remove: (admin: ClusterAdmin, name: string, requestId: string) => Promise<unknown>;
  /** How what was found differs from what is wanted, in words; empty: not at all. */
  readonly drift: (found: Found, resource: CustomResource) => string;
  readonly statusOf: (found: Found) => Readonly<Record<string, unknown>>;
};

/** What the kinds have in common. */
export type Wanted = { readonly name: string; readonly broker: string; readonly deletionPolicy: "Delete" | "Retain" };

/** Keeps an object until what it declares was removed. */
const finalizer = "saturnmq.io/declared";

/** A declaration as it was last watched, and what was watched besides. */
export type Declaration = {
  readonly resource: CustomResource;
  /** All objects of the kind in the namespace. */
  readonly rivals: readonly CustomResource[];
  /** A set of the namespace as it was last watched; `undefined` when it was not: it may be there all the same. */
  readonly watched: (kind: "NameServer" | "Broker", name: string) => CustomResource | undefined;
};

/**
 * Looks at one declaration, makes it true where it can, and says how it is. What it cannot change it reports and leaves. The object is not read anew, which
 * for thousands at rest would cost more than all else: its deletion is never taken back, and a write upon an old version of its finalizers is refused.
 *
 * @returns when to look again, milliseconds
 */
export async function reconcileDeclared<Found extends Named>(
  control: Control,
  declared: Declared<Found>,
  { resource, rivals, watched }: Declaration,
): Promise<number | undefined> {
  const { namespace } = resource.metadata;
  const wanted = declared.wanted(resource);
  const set = async (kind: "NameServer" | "Broker", of: string): Promise<CustomResource | undefined> =>
    watched(kind, of) ?? (await control.objects.get<CustomResource>(kind, namespace, of));
  const admin = await adminOf(control, namespace, wanted.broker, set);
  const older = rivals.find((rival) => isOlder(rival, resource) && isSame(wantedBy(declared, rival), wanted));
  if (resource.metadata.deletionTimestamp !== undefined)
    return finish(control, declared, resource, older === undefined ? admin : undefined);
  await keepFinalizer(control, declared.kind, resource, wanted.deletionPolicy === "Delete");
  if (older !== undefined) {
    const message = `${declared.kind} ${older.metadata.name}, which is older, declares ${wanted.name} already.`;
    return tell(control, declared.kind, resource, {}, verdict("Ready", "False", "NameTaken", message));
  }
  if (admin === undefined)
    return tell(
      control,
      declared.kind,
      resource,
      {},
      verdict(
        "Ready",
        "False",
        "WaitingForBroker",
        `Broker ${wanted.broker} does not exist, or its NameServer does not.`,
      ),
    );
  return settle(control, declared, resource, admin);
}

async function settle<Found extends Named>(
  control: Control,
  declared: Declared<Found>,
  resource: CustomResource,
  admin: ClusterAdmin,
): Promise<number> {
  const { kind } = declared;
  try {
    const { name } = declared.wanted(resource);
    const found =
      (await inventoryOf(control, declared, admin).find(name)) ?? (await make(control, declared, resource, admin));
    const drift = declared.drift(found, resource);
    const state = drift === "" ? verdict("Ready", "True", "Exists") : verdict("Ready", "False", "Drifted", drift);
    return await tell(control, kind, resource, declared.statusOf(found), state);
  } catch (error) {
    if (!(error instanceof SaturnError)) throw error;
    const waits = error.code === "HA_NOT_AVAILABLE";
    const state = waits
      ? verdict("Ready", "False", "WaitingForBroker", error.message)
      : verdict("Ready", "False", "Refused", error.message);
    await tell(control, kind, resource, {}, state);
    return waits ? againMs.waiting : againMs.settled;
  }
}

/** Somebody else may have made it since all were listed: then that one counts. */
async function make<Found extends Named>(
  control: Control,
  declared: Declared<Found>,
  resource: CustomResource,
  admin: ClusterAdmin,
): Promise<Found> {
  const inventory = inventoryOf(control, declared, admin);
  try {
    const made = await declared.create(admin, resource, randomUUID());
    inventory.made(made);
    return made;
  } catch (error) {
    if (!(error instanceof SaturnError) || error.code !== "ALREADY_EXISTS") throw error;
    inventory.outdated();
    const found = await inventory.find(declared.wanted(resource).name);
    if (found === undefined) throw error;
    return found;
  }
}

async function tell(
  control: Control,
  kind: string,
  resource: CustomResource,
  fields: Readonly<Record<string, unknown>>,
  state: AnyVerdict,
): Promise<number> {
  await writeStatus(control, kind, resource, fields, [state]);
  return state.status === "True" ? againMs.settled * 6 : againMs.settled;
}

/**
 * Removes what was declared, if that was asked for, and lets the object go. Where there is no cluster any more, or this object never counted, there is
 * nothing to remove: a finalizer must not outlive what it waits for.
 */
async function finish<Found extends Named>(
  control: Control,
  declared: Declared<Found>,
  resource: CustomResource,
  admin: ClusterAdmin | undefined,
): Promise<number | undefined> {
  const { name, deletionPolicy } = declared.wanted(resource);
  if (!holds(resource)) return undefined;
  try {
    if (deletionPolicy === "Delete" && admin !== undefined) {
      await declared.remove(admin, name, randomUUID());
      inventoryOf(control, declared, admin).outdated();
    }
  } catch (error) {
    if (!(error instanceof SaturnError) || !gone.has(error.code)) throw error;
  }
  await keepFinalizer(control, declared.kind, resource, false);
  return undefined;
}

const gone: ReadonlySet<string> = new Set(["NOT_FOUND", "TOPIC_NOT_FOUND", "CONSUMER_GROUP_NOT_FOUND"]);

function holds({ metadata: { finalizers = [] } }: CustomResource): boolean {
  return finalizers.includes(finalizer);
}

/** Others' finalizers stay; a list that changed meanwhile is refused by its version, and looked at again. */
async function keepFinalizer(
  { objects }: Control,
  kind: "Topic" | "ConsumerGroup",
  resource: CustomResource,
  keep: boolean,
): Promise<void> {
  if (holds(resource) === keep) return;
  const { namespace, name, resourceVersion, finalizers = [] } = resource.metadata;
  const others = finalizers.filter((other) => other !== finalizer);
  const metadata = { resourceVersion, finalizers: keep ? [...others, finalizer] : others };
  await objects.merge(kind, namespace, name, { metadata });
}

/** The name servers of the cluster that a broker set belongs to; `undefined` while there is none, or it is going. */
async function adminOf(
  { admin }: Control,
  namespace: string,
  broker: string,
  find: (kind: "NameServer" | "Broker", name: string) => Promise<CustomResource | undefined>,
): Promise<ClusterAdmin | undefined> {
  const set = await find("Broker", broker);
  if (set?.metadata.deletionTimestamp !== undefined || set === undefined) return undefined;
  const { nameServerRef } = specOf(brokerSpec, set);
  const group = await find("NameServer", nameServerRef.name);
  if (group?.metadata.deletionTimestamp !== undefined || group === undefined) return undefined;
  return admin(namespace, nameServerRef.name, memberIdsOf(group));
}

/** Of each cluster and kind. */
const inventories = new WeakMap<ClusterAdmin, Map<string, unknown>>();

function inventoryOf<Found extends Named>(
  { clock }: Control,
  { kind, list }: Declared<Found>,
  admin: ClusterAdmin,
): Inventory<Found> {
  const ofCluster = inventories.get(admin) ?? new Map<string, unknown>();
  inventories.set(admin, ofCluster);
  const inventory = (ofCluster.get(kind) as Inventory<Found> | undefined) ?? new Inventory(clock, () => list(admin));
  ofCluster.set(kind, inventory);
  return inventory;
}

/** Of each object as it was watched: a namespace of a thousand is compared by each of them. */
const remembered = new WeakMap<CustomResource, Wanted>();

function wantedBy<Found extends Named>(declared: Declared<Found>, resource: CustomResource): Wanted {
  const wanted = remembered.get(resource) ?? declared.wanted(resource);
  remembered.set(resource, wanted);
  return wanted;
}

function isSame(one: Wanted, other: Wanted): boolean {
  return one.name === other.name && one.broker === other.broker;
}

function isOlder({ metadata: one }: CustomResource, { metadata: other }: CustomResource): boolean {
  if (one.uid === other.uid) return false;
  return one.creationTimestamp === other.creationTimestamp
    ? one.uid < other.uid
    : one.creationTimestamp < other.creationTimestamp;
}
