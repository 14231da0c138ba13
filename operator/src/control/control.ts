import { type Clock, type Logger, SaturnError } from "@saturnmq/kit";
import type { AdminMethods } from "@saturnmq/wire";
import type { z } from "zod";
import type { Condition } from "../api/conditions.ts";
import { groupVersion } from "../api/kinds.ts";
import { nameServerSpec } from "../api/name-server.ts";
import type { ClusterAdmin } from "../grpc/cluster-admin.ts";
import { covers } from "../kube/covers.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { KubeObject, Objects } from "../kube/objects.ts";
import type { Manifest, Owner } from "../model/manifest.ts";
import { type AnyVerdict, conditionsOf } from "../plan/conditions.ts";

/** What every controller works with. */
export type Control = {
  readonly objects: Objects;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Image of pods whose set names none. */
  readonly image: string;
  /** The name servers of a cluster. @param ids of its members */
  readonly admin: (namespace: string, nameServer: string, ids: readonly number[]) => ClusterAdmin;
  /** False when another process may lead by now: then nothing is changed. */
  readonly leads: () => boolean;
};

/** A custom resource as it is answered. */
export type CustomResource = KubeObject & {
  readonly spec: unknown;
  readonly status?: { readonly conditions?: readonly Condition[]; readonly [field: string]: unknown };
};

/** What the leading name server says of its cluster. */
export type Cluster = AdminMethods["DescribeCluster"]["reply"];

/** When a key comes again, milliseconds. */
export const againMs = { moved: 0, waiting: 500, settled: 10_000 } as const;

/** A spec with the defaults that the API server would have filled in. @throws {z.ZodError} what the API server should have refused */
export function specOf<Spec>(schema: z.ZodType<Spec>, { spec }: CustomResource): Spec {
  return schema.parse(spec);
}

/** Ids of a NameServer's members: as the group told them last, at first as many as are wanted. */
export function memberIdsOf(group: CustomResource): readonly number[] {
  const told = group.status?.["memberIds"] as readonly number[] | undefined;
  const founders = Array.from({ length: specOf(nameServerSpec, group).replicas }, (_, place) => place + 1);
  return told === undefined || told.length === 0 ? founders : told;
}

export function ownerOf(kind: Owner["kind"], { metadata: { name, namespace, uid } }: KubeObject): Owner {
  return { kind, name, namespace, uid };
}

/** Applies those children that are not as wanted. */
export async function applyChildren({ objects }: Control, children: readonly Manifest[]): Promise<void> {
  for (const child of children) {
    const { kind, metadata } = child;
    const live = await objects.get(kind as Parameters<Objects["get"]>[0], metadata.namespace, metadata.name);
    if (!covers(live, child)) await objects.apply(child);
  }
}

/** Writes a status if it would change anything, and an event for each condition that took another state or reason. */
export async function writeStatus(
  { objects, events, clock }: Control,
  kind: string,
  resource: CustomResource,
  fields: Readonly<Record<string, unknown>>,
  verdicts: readonly AnyVerdict[],
): Promise<void> {
  const { name, namespace, generation = 0 } = resource.metadata;
  const before = resource.status?.conditions ?? [];
  const now = new Date(clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
  const conditions = conditionsOf(verdicts, before, { generation, now });
  const status = { ...fields, observedGeneration: generation, conditions };
  if (covers(resource.status, status)) return;
  await objects.apply({ apiVersion: groupVersion, kind, metadata: { name, namespace }, status }, "status");
  for (const { type, status: state, reason, message } of conditions) {
    const known = before.find((condition) => condition.type === type);
    if (known?.status === state && known.reason === reason) continue;
    const bad = (type === "Degraded" && state === "True") || reason === "Blocked" || reason === "NewPodNotReady";
    await events.record(
      { ...resource, apiVersion: groupVersion, kind },
      { type: bad ? "Warning" : "Normal", reason, action: type, note: message },
    );
  }
}

/** `undefined` when no name server leads: then nothing is known, and nothing is assumed. */
export async function describe(admin: ClusterAdmin): Promise<Cluster | undefined> {
  try {
    const cluster = await admin.call("DescribeCluster", {});
    return cluster.stale ? undefined : cluster;
  } catch (error) {
    if (error instanceof SaturnError && error.code === "HA_NOT_AVAILABLE") return undefined;
    throw error;
  }
}
