import type { BrokerSpec } from "../api/broker.ts";
import { desiredMembers } from "../plan/broker-world.ts";
import {
  clientServiceOf,
  configMapOf,
  disruptionBudgetOf,
  headlessServiceOf,
  networkPolicyOf,
  serviceAccountOf,
} from "./children.ts";
import type { Manifest, Owner } from "./manifest.ts";
import { memberHost, ports } from "./naming.ts";
import { type EnvVar, type PodPlan, podOf } from "./pod.ts";

export type BrokerSet = { readonly owner: Owner; readonly spec: BrokerSpec; readonly image: string };

const podPorts = { clients: ports.clients, peers: ports.peers, http: ports.http };

/** What the pods of a broker set are made from. */
export function brokerPods({ owner, spec, image }: BrokerSet): PodPlan {
  const { imagePullPolicy, resources, zones, podTemplate, tlsSecretRef } = spec;
  return {
    ...{
      owner,
      image: spec.image === "" ? image : spec.image,
      imagePullPolicy,
      resources,
      zones,
      template: podTemplate,
    },
    ...{ command: "broker", ports: podPorts, config: brokerConfig(spec) },
    secrets: tlsSecretRef === undefined ? {} : { tls: tlsSecretRef.name },
  };
}

/** The broker's settings as JSON text. What differs between brokers comes by the environment. */
function brokerConfig(spec: BrokerSpec): string {
  const tls = { certificateFile: "/etc/saturnmq/tls/tls.crt", keyFile: "/etc/saturnmq/tls/tls.key" };
  const config = {
    ...spec.configuration,
    ...{ grpcPort: ports.clients, peerPort: ports.peers, httpPort: ports.http },
    ...(spec.tlsSecretRef === undefined ? {} : { tls }),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** The pod of one broker. @param nameServers endpoints; those that come later are told by the cluster, so a change of them is no reason to restart */
export function brokerPod(plan: PodPlan, index: number, nameServers: readonly string[]): Manifest {
  return podOf(plan, index, [
    { name: "SATURNMQ_NAME_SERVERS", value: JSON.stringify(nameServers) },
    { name: "SATURNMQ_ADVERTISED_HOST", value: memberHost(plan.owner, index) },
    zoneVariable(plan.zones.topologyKey),
  ]);
}

/** The API server copies this label from the node to the pod (PodTopologyLabels, Kubernetes 1.35). */
function zoneVariable(topologyKey: string): EnvVar {
  return { name: "SATURNMQ_ZONE", valueFrom: { fieldRef: { fieldPath: `metadata.labels['${topologyKey}']` } } };
}

/** Every child of a broker set that is no pod and no claim. */
export function brokerChildren(set: BrokerSet, plan: PodPlan): readonly Manifest[] {
  const { owner, spec } = set;
  const clients = { clients: ports.clients };
  const budget = disruptionBudgetOf(owner, desiredMembers(spec), { maxUnavailable: 1 });
  return [
    serviceAccountOf(owner),
    configMapOf(owner, plan.config),
    headlessServiceOf(owner, podPorts),
    clientServiceOf(owner, clients, spec.service),
    networkPolicyOf(owner, [
      { port: ports.clients, from: "anybody" },
      { port: ports.peers, from: "saturnmq" },
      { port: ports.http, from: "anybody" },
    ]),
    ...(budget === undefined ? [] : [budget]),
  ];
}
