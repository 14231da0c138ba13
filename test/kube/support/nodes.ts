import process from "node:process";
import { Informer, isApiError, type KubeObject } from "@saturnmq/operator/kube";
import { type Run, runProcess } from "./container.ts";
import { type Machine, now } from "./machine.ts";
import type { PodObject } from "./pod-object.ts";
import { PodProcess } from "./pod-process.ts";

export type NodePlan = { readonly name: string; readonly zone: string };

const leaseMs = 2_000;

/** The kubelets of a few nodes, whose pods are processes of this machine, or run otherwise. */
export class Nodes {
  readonly #machine: Machine;
  readonly #runContainer: Run;
  readonly #plans: readonly NodePlan[];
  readonly #pods = new Map<string, PodProcess>();
  readonly #informer: Informer<PodObject>;
  /** Nodes that say nothing and do nothing. */
  readonly #lost = new Set<string>();
  #addresses = 0;
  #beat: NodeJS.Timeout | undefined;

  constructor(machine: Machine, plans: readonly NodePlan[], runContainer = runProcess) {
    this.#machine = machine;
    this.#runContainer = runContainer;
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
      for (const { name } of this.#plans) if (!this.#lost.has(name)) void this.#renew(name);
    }, leaseMs);
    await this.#informer.start();
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    await this.#informer.close();
    for (const pod of this.#pods.values()) pod.kill();
  }

  /** Pods whose process runs. */
  get running(): readonly PodProcess[] {
    return [...this.#pods.values()].filter(({ pid }) => pid !== undefined);
  }

  /** Kills the process of a pod; it is started again as its policy says. */
  kill(pod: string): void {
    const pid = this.running.find(({ pod: { metadata } }) => metadata.name === pod)?.pid;
    if (pid === undefined) throw new Error(`${pod} has no process`);
    process.kill(pid, "SIGKILL");
  }

  /** Nodes go without a word, and all processes with them. */
  lose(names: readonly string[]): void {
    for (const name of names) this.#lost.add(name);
    for (const [uid, one] of this.#pods) {
      if (!names.includes(one.pod.spec.nodeName ?? "")) continue;
      one.kill();
      this.#pods.delete(uid);
    }
  }

  /** Lost nodes are there again: pods that are still theirs start, or end where they were told to. */
  restore(names: readonly string[]): void {
    for (const name of names) this.#lost.delete(name);
    for (const pod of this.#informer.list()) if (names.includes(pod.spec.nodeName ?? "")) this.#sync(pod);
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
    const { nodeName = "" } = pod.spec;
    if (this.#lost.has(nodeName) || !this.#plans.some((plan) => plan.name === nodeName)) return;
    const running = known ?? this.#admit(pod);
    running.pod = pod;
    if (deletionTimestamp !== undefined) running.stop();
  }

  #admit(pod: PodObject): PodProcess {
    this.#addresses += 1;
    const fresh = `10.64.${Math.floor(this.#addresses / 250)}.${(this.#addresses % 250) + 1}`;
    // An address that a pod has is its for ever.
    const admitted = new PodProcess(this.#machine, this.#runContainer, pod, pod.status?.podIP ?? fresh);
    this.#pods.set(pod.metadata.uid, admitted);
    if (pod.metadata.deletionTimestamp === undefined) void admitted.start();
    return admitted;
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
