import type { Manifest, Owner } from "./manifest.ts";
import {
  childMetadata,
  childName,
  commonLabels,
  indexLabel,
  memberName,
  ownerReference,
  selectorLabels,
} from "./naming.ts";
import { configKey, given } from "./pod.ts";

/** Settings of a set's processes, as a file in their pods. */
export function configMapOf(owner: Owner, config: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: childMetadata(owner, childName(owner)),
    data: { [configKey]: config },
  };
}

/** Pods run as it and get no token: nothing in them speaks with the API server. */
export function serviceAccountOf(owner: Owner): Manifest {
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: childMetadata(owner, childName(owner)),
    automountServiceAccountToken: false,
  };
}

/** Names of the members for each other, ready or not: a member that starts must be found. */
export function headlessServiceOf(owner: Owner, ports: Readonly<Record<string, number>>): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: childMetadata(owner, childName(owner)),
    spec: {
      ...{ type: "ClusterIP", clusterIP: "None", publishNotReadyAddresses: true, selector: selectorLabels(owner) },
      ports: servicePorts(ports),
    },
  };
}

export type ServiceOptions = {
  readonly type: string;
  readonly nodePort?: number | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
};

/** The address that clients use. */
export function clientServiceOf(
  owner: Owner,
  ports: Readonly<Record<string, number>>,
  options: ServiceOptions,
): Manifest {
  const { type, nodePort, annotations } = options;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: childMetadata(owner, `${childName(owner)}-clients`, annotations === undefined ? {} : { annotations }),
    spec: {
      ...{ type, selector: selectorLabels(owner) },
      ports: servicePorts(ports).map((port) => ({ ...port, ...given({ nodePort }) })),
    },
  };
}

function servicePorts(ports: Readonly<Record<string, number>>): Readonly<Record<string, unknown>>[] {
  return Object.entries(ports).map(([name, port]) => ({ name, port, targetPort: port, protocol: "TCP" }));
}

/** Evictions take one member at a time. None for a lone member: it could never be moved. */
export function disruptionBudgetOf(
  owner: Owner,
  members: number,
  budget: Readonly<Record<string, number>>,
): Manifest | undefined {
  if (members < 2) return undefined;
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: childMetadata(owner, childName(owner)),
    spec: { ...budget, unhealthyPodEvictionPolicy: "AlwaysAllow", selector: { matchLabels: selectorLabels(owner) } },
  };
}

/** Who may reach a port: anybody, or the processes of this system in the namespace. */
export type Access = { readonly port: number; readonly from: "anybody" | "saturnmq" };

/** Nothing but these ports can be reached. */
export function networkPolicyOf(owner: Owner, access: readonly Access[]): Manifest {
  const ours = [{ podSelector: { matchLabels: { "app.kubernetes.io/part-of": "saturnmq" } } }];
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: childMetadata(owner, childName(owner)),
    spec: {
      ...{ podSelector: { matchLabels: selectorLabels(owner) }, policyTypes: ["Ingress"] },
      ingress: access.map(({ port, from }) => ({
        ports: [{ port, protocol: "TCP" }],
        ...(from === "anybody" ? {} : { from: ours }),
      })),
    },
  };
}

export type ClaimOptions = { readonly size: string; readonly className: string; readonly reclaim: "Delete" | "Retain" };

/** A member's claim. It goes with its owner only where the policy says so: data outlives a mistake. */
export function claimOf(owner: Owner, index: number, { size, className, reclaim }: ClaimOptions): Manifest {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      ...{ name: memberName(owner, index), namespace: owner.namespace },
      labels: { ...commonLabels(owner), ...selectorLabels(owner), [indexLabel]: String(index) },
      ...(reclaim === "Delete" ? { ownerReferences: [ownerReference(owner)] } : {}),
    },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: size } },
      ...given({ storageClassName: className === "" ? undefined : className }),
    },
  };
}
