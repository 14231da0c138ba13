import { Informer, isApiError, type KubeObject } from "@saturnmq/operator/kube";
import { type Machine, now } from "./machine.ts";
import type { PodObject } from "./pod-object.ts";
import { PodProcess } from "./pod-process.ts";

export type NodePlan = { readonly name: string; readonly zone: string };

const leaseMs = 2_000;

/** The kubelets of a few nodes, whose pods are processes of this machine. */
export class Nodes {
  readonly #machine: Machine;
  readonly #plans: readonly NodePlan[];
  readonly #pods = new Map<string, PodProcess>();
  readonly #informer: Informer<PodObject>;
  #addresses = 0;
  #beat: NodeJS.Timeout | undefined;

  constructor(machine: Machine, plans: readonly NodePlan[]) {
    this.#machine = machine;
    this.#plans = plans;
    this.#informer = new Informer<PodObject>({
      ...machine.informing,
      path: "/api/v1/pods",
      changed: (pod) => this.#sync(pod),
    });
  }

  async start(): Promise<void> {
    for (const plan of this.#plans) await this.#register(plan);
    this.#beat = setInterval(() => {
      for (const { name } of this.#plans) void this.#renew(name);
    }, leaseMs);
    await this.#informer.start();
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    await this.#informer.close();
    for (const pod of this.#pods.values()) pod.kill();
  }

  /** Process of a pod by its name; tests kill it. */
  pidOf(name: string): number | undefined {
    return [...this.#pods.values()].find(({ pod }) => pod.metadata.name === name)?.pid;
  }

  async #register({ name, zone }: NodePlan): Promise<void> {
    const { client } = this.#machine;
    const labels = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": zone };
    await client.call<KubeObject>("POST", "/api/v1/nodes", {
      body: { apiVersion: "v1", kind: "Node", metadata: { name, labels }, status: nodeStatus(name) },
    });
    const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: micro() };
    const body = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name, namespace: "kube-node-lease" },
      spec,
    };
    await client.call("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", { body });
  }

  async #renew(name: string): Promise<void> {
    const { client, note } = this.#machine;
    try {
      const contentType = "application/merge-patch+json";
      await client.call("PATCH", `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}`, {
        body: { spec: { renewTime: micro() } },
        contentType,
      });
      // A lease alone does not end the state Unknown.
      await client.call("PATCH", `/api/v1/nodes/${name}/status`, {
        body: { status: nodeStatus(name) },
        contentType: "application/strategic-merge-patch+json",
      });
    } catch (error) {
      if (!isApiError(error, "notFound")) note(`${name}: lease: ${String(error)}`);
    }
  }

  #sync(pod: PodObject): void {
    const { uid, namespace, name, deletionTimestamp } = pod.metadata;
    const present = this.#informer.get(namespace, name)?.metadata.uid === uid;
    const known = this.#pods.get(uid);
    if (!present) {
      known?.kill();
      this.#pods.delete(uid);
      return;
    }
    if (pod.spec.nodeName === undefined || !this.#plans.some((plan) => plan.name === pod.spec.nodeName)) return;
    const process = known ?? this.#admit(pod);
    process.pod = pod;
    if (deletionTimestamp !== undefined) process.stop();
  }

  #admit(pod: PodObject): PodProcess {
    this.#addresses += 1;
    const process = new PodProcess(
      this.#machine,
      pod,
      `10.64.${Math.floor(this.#addresses / 250)}.${(this.#addresses % 250) + 1}`,
    );
    this.#pods.set(pod.metadata.uid, process);
    if (pod.metadata.deletionTimestamp === undefined) void process.start();
    return process;
  }
}

function nodeStatus(name: string): object {
  const resources = { cpu: "16", memory: "32Gi", pods: "110" };
  const at = now();
  return {
    ...{ capacity: resources, allocatable: resources },
    addresses: [
      { type: "InternalIP", address: "127.0.0.1" },
      { type: "Hostname", address: name },
    ],
    nodeInfo: {
      kubeletVersion: "v1.37.1-process",
      operatingSystem: "linux",
      architecture: "amd64",
      containerRuntimeVersion: "process://1",
    },
    conditions: [
      {
        type: "Ready",
        status: "True",
        reason: "KubeletReady",
        message: "processes can start",
        lastHeartbeatTime: at,
        lastTransitionTime: at,
      },
    ],
  };
}

function micro(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
