import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { Informer, isApiError, type KubeObject } from "@saturnmq/operator/kube";
import type { Machine } from "./machine.ts";

type Claim = KubeObject & {
  readonly spec: {
    readonly storageClassName?: string;
    readonly volumeName?: string;
    readonly accessModes: readonly string[];
    readonly resources: { readonly requests: object };
  };
};
type Volume = KubeObject & {
  readonly spec: { readonly local?: { readonly path: string } };
  readonly status?: { readonly phase?: string };
};
type Node = KubeObject;

const className = "zone-folders";
const provisioner = "folders.saturnmq.io";

/** Gives each claim a folder that every node of one zone sees, once the scheduler has chosen a node; deletes it when its claim is gone. */
export class Volumes {
  readonly #machine: Machine;
  readonly #claims: Informer<Claim>;
  readonly #volumes: Informer<Volume>;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#claims = new Informer<Claim>({
      ...machine.informing,
      path: "/api/v1/persistentvolumeclaims",
      changed: (claim) => void this.#provide(claim),
    });
    this.#volumes = new Informer<Volume>({
      ...machine.informing,
      path: "/api/v1/persistentvolumes",
      changed: (volume) => void this.#reclaim(volume),
    });
  }

  async start(): Promise<void> {
    const { client } = this.#machine;
    const metadata = { name: className, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } };
    const body = {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata,
      provisioner,
      volumeBindingMode: "WaitForFirstConsumer",
      allowVolumeExpansion: true,
    };
    await client.call("POST", "/apis/storage.k8s.io/v1/storageclasses", { body });
    await Promise.all([this.#claims.start(), this.#volumes.start()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#claims.close(), this.#volumes.close()]);
  }

  async #provide({ metadata, spec }: Claim): Promise<void> {
    const chosen = metadata.annotations?.["volume.kubernetes.io/selected-node"];
    if (
      spec.storageClassName !== className ||
      spec.volumeName !== undefined ||
      chosen === undefined ||
      metadata.deletionTimestamp !== undefined
    )
      return;
    const { client, folder, note } = this.#machine;
    try {
      const node = await client.call<Node>("GET", `/api/v1/nodes/${chosen}`);
      const path = `${folder}/volumes/${metadata.uid}`;
      mkdirSync(path, { recursive: true });
      const zone = node.metadata.labels?.["topology.kubernetes.io/zone"] ?? "";
      const body = {
        ...{ apiVersion: "v1", kind: "PersistentVolume", metadata: { name: `pvc-${metadata.uid}` } },
        spec: {
          ...{
            storageClassName: className,
            capacity: spec.resources.requests,
            accessModes: spec.accessModes,
            local: { path },
          },
          persistentVolumeReclaimPolicy: "Delete",
          claimRef: {
            apiVersion: "v1",
            kind: "PersistentVolumeClaim",
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
          },
          nodeAffinity: {
            required: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: "topology.kubernetes.io/zone", operator: "In", values: [zone] }] },
              ],
            },
          },
        },
      };
      await client.call("POST", "/api/v1/persistentvolumes", { body });
    } catch (error) {
      if (!isApiError(error, "conflict")) note(`no volume for ${metadata.name}: ${String(error)}`);
    }
  }

  async #reclaim({ metadata, spec, status }: Volume): Promise<void> {
    if (status?.phase !== "Released" || spec.local === undefined || metadata.deletionTimestamp !== undefined) return;
    rmSync(spec.local.path, { recursive: true, force: true });
    await this.#machine.client
      .call("DELETE", `/api/v1/persistentvolumes/${metadata.name}`)
      .catch((error: unknown) => this.#machine.note(String(error)));
  }
}

/** Folder of a claim's volume. @throws {ApiError | Error} while it is not bound */
export async function folderOfClaim({ client }: Machine, namespace: string, name: string): Promise<string> {
  const claim = await client.call<Claim>("GET", `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`);
  if (claim.spec.volumeName === undefined) throw new Error(`claim ${name} is not bound yet`);
  const volume = await client.call<Volume>("GET", `/api/v1/persistentvolumes/${claim.spec.volumeName}`);
  return volume.spec.local?.path ?? "";
}

/** Writes a ConfigMap's files. */
export async function writeConfigMap(
  { client }: Machine,
  namespace: string,
  name: string,
  folder: string,
): Promise<void> {
  const { data = {} } = await client.call<{ readonly data?: Readonly<Record<string, string>> }>(
    "GET",
    `/api/v1/namespaces/${namespace}/configmaps/${name}`,
  );
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(data)) writeFileSync(`${folder}/${file}`, text);
}
