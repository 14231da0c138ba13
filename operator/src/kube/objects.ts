import type { ApiClient } from "./api-client.ts";
import { isApiError } from "./api-error.ts";

/** An object as the API server answers it. */
export type KubeObject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
  };
};

/** A kind as paths name it. */
export type Resource = { readonly group: string; readonly version: string; readonly plural: string };

const core = { group: "", version: "v1" } as const;
const own = { group: "saturnmq.io", version: "v1alpha1" } as const;

/** Every kind that the operator reads or writes, by its name. */
export const resources = {
  Pod: { ...core, plural: "pods" },
  PersistentVolumeClaim: { ...core, plural: "persistentvolumeclaims" },
  Service: { ...core, plural: "services" },
  ConfigMap: { ...core, plural: "configmaps" },
  ServiceAccount: { ...core, plural: "serviceaccounts" },
  PodDisruptionBudget: { group: "policy", version: "v1", plural: "poddisruptionbudgets" },
  NetworkPolicy: { group: "networking.k8s.io", version: "v1", plural: "networkpolicies" },
  Event: { group: "events.k8s.io", version: "v1", plural: "events" },
  Lease: { group: "coordination.k8s.io", version: "v1", plural: "leases" },
  NameServer: { ...own, plural: "nameservers" },
  Broker: { ...own, plural: "brokers" },
  Topic: { ...own, plural: "topics" },
  ConsumerGroup: { ...own, plural: "consumergroups" },
} as const satisfies Readonly<Record<string, Resource>>;

export type KindName = keyof typeof resources;

/** Path of a kind's objects. @param namespace absent: those of all namespaces */
export function pathOf({ group, version, plural }: Resource, namespace?: string): string {
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === undefined
    ? `${root}/${plural}`
    : `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

const fieldManager = "saturnmq-operator";

/** Objects of one API server by kind. Every write names this operator as the owner of its fields, and nothing that others own is touched. */
export class Objects {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** @returns `undefined` when there is none. @throws {ApiError} */
  async get<Type extends KubeObject>(kind: KindName, namespace: string, name: string): Promise<Type | undefined> {
    try {
      return await this.#client.call<Type>("GET", this.#path(kind, namespace, name));
    } catch (error) {
      if (isApiError(error, "notFound")) return undefined;
      throw error;
    }
  }

  /** Straight from the server's store, no cache between. @throws {ApiError} */
  async list<Type extends KubeObject>(
    kind: KindName,
    namespace: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<readonly Type[]> {
    const labelSelector = Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(",");
    const { items } = await this.#client.call<{ readonly items: readonly Type[] }>(
      "GET",
      pathOf(resources[kind], namespace),
      { query: { labelSelector } },
    );
    return items;
  }

  /** Creates it; one of this name that exists already is well. @throws {ApiError} */
  async create(manifest: Manifest): Promise<void> {
    try {
      const query = { fieldManager, fieldValidation: "Strict" };
      await this.#client.call("POST", pathOf(resources[manifest.kind as KindName], manifest.metadata.namespace), {
        query,
        body: manifest,
      });
    } catch (error) {
      if (!isApiError(error, "conflict")) throw error;
    }
  }

  /** Makes the named fields so, and those that this operator named before and does not any more as they were. @throws {ApiError} */
  async apply<Type extends KubeObject>(manifest: Manifest, subresource?: "status"): Promise<Type> {
    const path = this.#path(manifest.kind as KindName, manifest.metadata.namespace, manifest.metadata.name);
    return this.#client.call<Type>("PATCH", subresource === undefined ? path : `${path}/${subresource}`, {
      query: { fieldManager, force: true, fieldValidation: "Strict" },
      body: manifest,
      contentType: "application/apply-patch+yaml",
    });
  }

  /** Changes the named fields only. @throws {ApiError} */
  async merge(kind: KindName, namespace: string, name: string, body: unknown): Promise<void> {
    const contentType = "application/merge-patch+json";
    await this.#client.call("PATCH", this.#path(kind, namespace, name), { query: { fieldManager }, body, contentType });
  }

  /** Deletes this very object; one that is gone, or another of its name, is well. @throws {ApiError} */
  async delete(kind: KindName, namespace: string, name: string, uid: string): Promise<void> {
    try {
      await this.#client.call("DELETE", this.#path(kind, namespace, name), { body: { preconditions: { uid } } });
    } catch (error) {
      if (!isApiError(error, "notFound", "conflict")) throw error;
    }
  }

  #path(kind: KindName, namespace: string, name: string): string {
    return `${pathOf(resources[kind], namespace)}/${encodeURIComponent(name)}`;
  }
}

/** An object as it is sent. */
type Manifest = {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly [field: string]: unknown;
};
