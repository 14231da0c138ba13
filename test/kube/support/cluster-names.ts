import { writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { Informer, type KubeObject } from "@saturnmq/operator/kube";
import type { Machine } from "./machine.ts";
import { type PodObject, portOf } from "./pod-object.ts";

type Service = KubeObject & {
  readonly spec: {
    readonly clusterIP?: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly port: number; readonly targetPort: number | string }[];
  };
};
type Pod = PodObject & {
  readonly spec: { readonly hostname?: string; readonly subdomain?: string };
  readonly status?: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
};

/**
 * What DNS and kube-proxy are to a cluster: the names of Services and of pods behind headless ones, written to the hosts file that every process of this
 * network reads, and a forwarder at each Service address that takes each connection to the next ready pod.
 */
export class ClusterNames {
  readonly #machine: Machine;
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #forwarders = new Map<string, Server>();
  #turn = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
    const changed = (): void => this.#write();
    this.#services = new Informer<Service>({ ...machine.informing, path: "/api/v1/services", changed });
    this.#pods = new Informer<Pod>({ ...machine.informing, path: "/api/v1/pods", changed });
  }

  async start(): Promise<void> {
    await Promise.all([this.#services.start(), this.#pods.start()]);
    this.#write();
  }

  async close(): Promise<void> {
    await Promise.all([this.#services.close(), this.#pods.close()]);
    for (const server of this.#forwarders.values()) server.close();
  }

  #write(): void {
    const lines = ["127.0.0.1 localhost"];
    for (const { metadata, spec } of this.#services.list()) {
      const { clusterIP = "None" } = spec;
      if (clusterIP === "None") continue;
      lines.push(`${clusterIP} ${metadata.name}.${metadata.namespace}.svc`);
      for (const { port, targetPort } of spec.ports) this.#forward(metadata, clusterIP, port, targetPort);
    }
    for (const { metadata, spec, status } of this.#pods.list()) {
      const { hostname, subdomain } = spec;
      if (status?.podIP === undefined || hostname === undefined || subdomain === undefined) continue;
      if (metadata.deletionTimestamp === undefined)
        lines.push(`${status.podIP} ${hostname}.${subdomain}.${metadata.namespace}.svc`);
    }
    writeFileSync(this.#machine.hostsFile, `${lines.join("\n")}\n`);
  }

  #forward({ namespace, name }: KubeObject["metadata"], address: string, port: number, target: number | string): void {
    const key = `${address}:${port}`;
    if (this.#forwarders.has(key)) return;
    const server = createServer((client) => {
      const next = this.#next(namespace, name);
      if (next?.status?.podIP === undefined) {
        client.destroy();
        return;
      }
      const pod = connect({ host: next.status.podIP, port: portOf(next, target) });
      client.pipe(pod).pipe(client);
      client.on("error", () => pod.destroy()).on("close", () => pod.destroy());
      pod.on("error", () => client.destroy()).on("close", () => client.destroy());
    });
    this.#forwarders.set(key, server);
    server.on("error", (error) => this.#machine.note(`no forwarder at ${key}: ${error.message}`));
    server.listen(port, address);
  }

  #next(namespace: string, name: string): Pod | undefined {
    const selector = Object.entries(this.#services.get(namespace, name)?.spec.selector ?? {});
    const ready = this.#pods.list().filter(({ metadata, status }) => {
      const serves =
        status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
      return (
        serves &&
        metadata.deletionTimestamp === undefined &&
        selector.every(([key, value]) => metadata.labels?.[key] === value)
      );
    });
    this.#turn += 1;
    return ready[this.#turn % Math.max(ready.length, 1)];
  }
}
