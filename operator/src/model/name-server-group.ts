import type { NameServerSpec } from "../api/name-server.ts";
import { configMapOf, disruptionBudgetOf, headlessServiceOf, networkPolicyOf, serviceAccountOf } from "./children.ts";
import type { Manifest, Owner } from "./manifest.ts";
import { memberHost, ports } from "./naming.ts";
import { type PodPlan, podOf } from "./pod.ts";

export type NameServerGroup = { readonly owner: Owner; readonly spec: NameServerSpec; readonly image: string };

/** What a new cluster is to be; given by the broker set that names the group. An existing cluster keeps what it has. */
export type ClusterShape = { readonly shards: number; readonly replicationFactor: number };

const podPorts = { nameserver: ports.nameServer, peers: ports.nameServerPeers, http: ports.http };

/** What the pods of a name server group are made from. */
export function nameServerPods({ owner, spec, image }: NameServerGroup, shape: ClusterShape): PodPlan {
  const { imagePullPolicy, resources, zones, podTemplate } = spec;
  return {
    ...{
      owner,
      image: spec.image === "" ? image : spec.image,
      imagePullPolicy,
      resources,
      zones,
      template: podTemplate,
    },
    ...{ command: "nameserver", ports: podPorts, config: nameServerConfig(spec, shape), secrets: {} },
  };
}

function nameServerConfig({ settings }: NameServerSpec, shape: ClusterShape): string {
  const config = {
    ...{ grpcPort: ports.nameServer, peerPort: ports.nameServerPeers, httpPort: ports.http },
    ...shape,
    ...(settings === undefined ? {} : { settings }),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/**
 * The pod of one name server.
 *
 * @param index its member id, from 1
 * @param ids members that it is told of, itself too: the founders, and for one that comes later those that it asks for its place. The group itself knows whom
 *   it has, so a change of them is no reason to restart any other.
 */
export function nameServerPod(plan: PodPlan, index: number, ids: readonly number[]): Manifest {
  const members = ids.map((id) => ({ id, ...nameServerAddress(plan.owner, id) }));
  return podOf(plan, index, [
    { name: "SATURNMQ_SELF", value: String(index) },
    { name: "SATURNMQ_MEMBERS", value: JSON.stringify(members) },
  ]);
}

/** Where a member is reached by the others, by brokers and by tools. */
export function nameServerAddress(owner: Owner, id: number) {
  return { host: memberHost(owner, id), grpcPort: ports.nameServer, peerPort: ports.nameServerPeers };
}

/** Every child of a name server group that is no pod and no claim. @param members that it has, or is to have if those are more */
export function nameServerChildren({ owner }: NameServerGroup, plan: PodPlan, members: number): readonly Manifest[] {
  // The owner serves no scale, so a share of its pods cannot be told: a number can.
  const budget = disruptionBudgetOf(owner, members, { minAvailable: members - 1 });
  return [
    serviceAccountOf(owner),
    configMapOf(owner, plan.config),
    headlessServiceOf(owner, podPorts),
    networkPolicyOf(owner, [
      { port: ports.nameServer, from: "anybody" },
      { port: ports.nameServerPeers, from: "saturnmq" },
      { port: ports.http, from: "anybody" },
    ]),
    ...(budget === undefined ? [] : [budget]),
  ];
}
