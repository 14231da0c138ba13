import { type ApiClient, isApiError, type KubeObject } from "@saturnmq/operator/kube";
import { eventually } from "./step.ts";

/** A custom resource, or a pod, as far as the checks look at it. */
export type Resource = KubeObject & {
  readonly metadata: { readonly generation?: number };
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly readyReplicas?: number;
    readonly members?: readonly Member[];
    readonly memberIds?: readonly number[];
    readonly conditions?: readonly Condition[];
  };
};

type Member = { readonly name: string; readonly brokerId?: number; readonly zone?: string; readonly state: string };
type Condition = { readonly type: string; readonly status: string; readonly reason: string; readonly message: string };

const plurals = {
  NameServer: "nameservers",
  Broker: "brokers",
  Topic: "topics",
  ConsumerGroup: "consumergroups",
} as const;

export type Kind = keyof typeof plurals;

const mergePatch = "application/merge-patch+json";
const broker = "saturnmq.io/role=broker";

/** The custom resources of one namespace, and what the operator makes of them. */
export class CustomResources {
  readonly client: ApiClient;
  readonly namespace: string;

  constructor(client: ApiClient, namespace: string) {
    this.client = client;
    this.namespace = namespace;
  }

  /** Makes the namespace; pods that are not as the restricted profile of Pod Security Standards wants are refused there. */
  async createNamespace(): Promise<void> {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    const metadata = { name: this.namespace, labels };
    await this.client.call("POST", "/api/v1/namespaces", { body: { apiVersion: "v1", kind: "Namespace", metadata } });
  }

  pathOf(kind: Kind, name?: string): string {
    const path = `/apis/saturnmq.io/v1alpha1/namespaces/${this.namespace}/${plurals[kind]}`;
    return name === undefined ? path : `${path}/${name}`;
  }

  create(kind: Kind, name: string, spec: object): Promise<Resource> {
    const metadata = { name, namespace: this.namespace };
    const body = { apiVersion: "saturnmq.io/v1alpha1", kind, metadata, spec };
    return this.client.call("POST", this.pathOf(kind), { body, query: { fieldValidation: "Strict" } });
  }

  change(kind: Kind, name: string, spec: object): Promise<Resource> {
    const query = { fieldValidation: "Strict" };
    return this.client.call("PATCH", this.pathOf(kind, name), { body: { spec }, contentType: mergePatch, query });
  }

  /** Sets `replicas` through the scale subresource, as an HPA does. */
  async scale(name: string, replicas: number): Promise<void> {
    const body = { spec: { replicas } };
    await this.client.call("PATCH", `${this.pathOf("Broker", name)}/scale`, { body, contentType: mergePatch });
  }

  get(kind: Kind, name: string): Promise<Resource> {
    return this.client.call("GET", this.pathOf(kind, name));
  }

  async exists(kind: Kind, name: string): Promise<boolean> {
    try {
      await this.get(kind, name);
      return true;
    } catch (error) {
      if (isApiError(error, "notFound")) return false;
      throw error;
    }
  }

  /** Deletes it and waits until it is gone. */
  async remove(kind: Kind, name: string): Promise<void> {
    await this.client.call("DELETE", this.pathOf(kind, name));
    await eventually(`${kind} ${name} goes`, 30, async () => ((await this.exists(kind, name)) ? undefined : true));
  }

  /** Waits until a set is as wanted: ready, at rest, with as many members. */
  settled(kind: "NameServer" | "Broker", members: number, seconds: number): Promise<Resource> {
    return eventually(`${kind} main is ready with ${members} members`, seconds, async () => {
      const set = await this.get(kind, "main");
      const { status, metadata } = set;
      const seen = status?.observedGeneration === metadata.generation && status?.readyReplicas === members;
      if (seen && has(set, "Ready", "True") && has(set, "Progressing", "False", "Settled")) return set;
      throw new Error(JSON.stringify(status ?? {}));
    });
  }

  /** Waits until an object's condition `Ready` is so. */
  says(kind: Kind, name: string, status: string, reason: string, seconds = 60): Promise<Resource> {
    return eventually(`${kind} ${name} says ${reason}`, seconds, async () => {
      const resource = await this.get(kind, name);
      if (has(resource, "Ready", status, reason)) return resource;
      throw new Error(JSON.stringify(resource.status ?? {}));
    });
  }

  /** Pods of brokers. */
  pods(): Promise<readonly Resource[]> {
    return this.list("pods", broker);
  }

  /** Claims of brokers. */
  claims(): Promise<readonly KubeObject[]> {
    return this.list("persistentvolumeclaims", broker);
  }

  /** Objects of a kind of the core group. */
  async list(plural: string, labelSelector?: string): Promise<readonly Resource[]> {
    const path = `/api/v1/namespaces/${this.namespace}/${plural}`;
    const { items } = await this.client.call<{ readonly items: readonly Resource[] }>("GET", path, {
      query: { labelSelector },
    });
    return items;
  }
}

/** Whether a condition of an object is so. */
export function has({ status }: Resource, type: string, value: string, reason?: string): boolean {
  const condition = status?.conditions?.find((one) => one.type === type);
  return condition?.status === value && (reason === undefined || condition.reason === reason);
}
