import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Machine } from "./machine.ts";
import type { PodObject, Projection } from "./pod-object.ts";

/** Writes a projected volume's files: a token of the pod's service account, bound to the pod, the authority's certificate, the namespace. */
export async function writeProjected(
  { client }: Machine,
  pod: PodObject,
  sources: readonly Projection[],
  folder: string,
): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const core = `/api/v1/namespaces/${namespace}`;
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(`${folder}/${path}`), { recursive: true });
    writeFileSync(`${folder}/${path}`, text);
  };
  for (const { serviceAccountToken: token, configMap, downwardAPI } of sources) {
    if (token !== undefined) {
      const boundObjectRef = { apiVersion: "v1", kind: "Pod", name, uid };
      const body = {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: token.expirationSeconds, boundObjectRef },
      };
      const account = pod.spec.serviceAccountName ?? "default";
      const path = `${core}/serviceaccounts/${account}/token`;
      const { status } = await client.call<{ readonly status: { readonly token: string } }>("POST", path, { body });
      write(token.path, status.token);
    }
    if (configMap !== undefined) {
      type Data = { readonly data?: Readonly<Record<string, string>> };
      const { data = {} } = await client.call<Data>("GET", `${core}/configmaps/${configMap.name}`);
      for (const { key, path } of configMap.items) write(path, data[key] ?? "");
    }
    for (const { path } of downwardAPI?.items ?? []) write(path, namespace);
  }
}
