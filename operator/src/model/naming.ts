import type { Metadata, Owner, OwnerReference } from "./manifest.ts";

const groupVersion = "saturnmq.io/v1alpha1";

/** Label whose value is the role of a process: `broker` or `nameserver`. */
const roleLabel = "saturnmq.io/role";
/** Label whose value is the name of the custom resource. */
export const setLabel = "saturnmq.io/set";
/** Label of pods and claims whose value is the member's index. */
export const indexLabel = "saturnmq.io/member";
/** Annotation of pods: what they were made from. */
export const revisionAnnotation = "saturnmq.io/revision";
/** Label of claims of members that have left: their data never runs again. */
export const retiredLabel = "saturnmq.io/retired";

/** Ports of every process (design 3). */
export const ports = { clients: 8_081, nameServer: 8_082, peers: 8_083, nameServerPeers: 8_084, http: 9_090 } as const;

/** User and group of the processes in their images. */
export const userId = 10_001;

type Kind = Owner["kind"];
const roles = { NameServer: "nameserver", Broker: "broker" } as const satisfies Record<Kind, string>;

/** Name of a child that a set has once: `main-broker`. */
export function childName({ kind, name }: Pick<Owner, "kind" | "name">): string {
  return `${name}-${roles[kind]}`;
}

/** Name of a member's pod and claim: `main-broker-2`. Never given to another member while anything is known by it. */
export function memberName(owner: Pick<Owner, "kind" | "name">, index: number): string {
  return `${childName(owner)}-${index}`;
}

/** Name under which other pods reach a member, whether it is ready or not. */
export function memberHost(owner: Pick<Owner, "kind" | "name" | "namespace">, index: number): string {
  return `${memberName(owner, index)}.${childName(owner)}.${owner.namespace}.svc`;
}

/** Where brokers and tools reach name servers. @param ids of the members of the NameServer called `name` */
export function nameServerEndpoints(namespace: string, name: string, ids: readonly number[]): readonly string[] {
  return ids.map((id) => `${memberHost({ kind: "NameServer", name, namespace }, id)}:${ports.nameServer}`);
}

/** Index of the member that is reached at `address`, host and port; `undefined` for one of another set. */
export function indexOfAddress(owner: Pick<Owner, "kind" | "name" | "namespace">, address: string): number | undefined {
  const index = /-(\d+)\./.exec(address.slice(childName(owner).length))?.[1];
  if (index === undefined) return undefined;
  return address.startsWith(`${memberHost(owner, Number(index))}:`) ? Number(index) : undefined;
}

/** Labels that tell a set's children from all others; they never change. */
export function selectorLabels({ kind, name }: Pick<Owner, "kind" | "name">): Readonly<Record<string, string>> {
  return { [roleLabel]: roles[kind], [setLabel]: name };
}

/** Metadata of a child that goes with its owner. */
export function childMetadata(owner: Owner, name: string, further: Partial<Metadata> = {}): Metadata {
  return {
    ...{ name, namespace: owner.namespace },
    ...further,
    labels: { ...further.labels, ...commonLabels(owner), ...selectorLabels(owner) },
    ownerReferences: [ownerReference(owner)],
  };
}

export function commonLabels({ kind, name }: Pick<Owner, "kind" | "name">): Readonly<Record<string, string>> {
  return {
    "app.kubernetes.io/name": "saturnmq",
    "app.kubernetes.io/component": roles[kind],
    "app.kubernetes.io/instance": name,
    "app.kubernetes.io/part-of": "saturnmq",
    "app.kubernetes.io/managed-by": "saturnmq-operator",
  };
}

export function ownerReference({ kind, name, uid }: Owner): OwnerReference {
  return { apiVersion: groupVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}
