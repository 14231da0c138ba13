import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { KubeObject } from "@saturnmq/operator/kube";
import { type AdapterRule, shippedRules } from "./adapter-rules.ts";
import { PodMeter } from "./pod-meter.ts";
import type { PodProcess } from "./pod-process.ts";
import { eventually } from "./step.ts";
import type { World } from "./world.ts";

const port = 16_250;
const apis = [
  { group: "metrics.k8s.io", version: "v1beta1" },
  { group: "custom.metrics.k8s.io", version: "v1beta2" },
] as const;

/**
 * What metrics-server and prometheus-adapter are to a cluster: the APIs of which an HPA asks CPU and metrics of pods. CPU is what /proc says; the others
 * are made by the shipped rules from what pods tell on their own /metrics.
 */
export class MetricsApi {
  readonly meter: PodMeter;
  readonly #world: World;
  readonly #rules: readonly AdapterRule[];
  readonly #server: Server;

  private constructor(world: World, rules: readonly AdapterRule[], server: Server) {
    this.#world = world;
    this.#rules = rules;
    this.#server = server;
    this.meter = new PodMeter(world.nodes, rules);
    server.on("request", ({ url = "" }, response) => {
      const body = this.#answer(new URL(url, "https://local"));
      response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(body ?? { kind: "Status", apiVersion: "v1", status: "Failure", code: 404 }));
    });
  }

  /** Serves them and has the API server ask here. */
  static async open(world: World): Promise<MetricsApi> {
    const { client } = world;
    const pki = (name: string): string => readFileSync(`${world.pki}/${name}`, "utf8");
    // Only the API server's aggregator may ask.
    const server = createServer({
      ...{ key: pki("metrics.key"), cert: pki("metrics.crt"), ca: pki("front-proxy-ca.crt") },
      ...{ requestCert: true, rejectUnauthorized: true },
    });
    const api = new MetricsApi(world, shippedRules(), server);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    await client.call("POST", "/api/v1/namespaces/kube-system/services", {
      body: {
        ...{ apiVersion: "v1", kind: "Service", metadata: { name: "metrics" } },
        spec: { type: "ExternalName", externalName: "localhost" },
      },
    });
    const caBundle = Buffer.from(pki("ca.crt")).toString("base64");
    await Promise.all(apis.map(({ group, version }) => api.#register(group, version, caBundle)));
    return api;
  }

  close(): void {
    this.meter.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #register(group: string, version: string, caBundle: string): Promise<void> {
    const path = "/apis/apiregistration.k8s.io/v1/apiservices";
    const { client } = this.#world;
    const name = `${version}.${group}`;
    const service = { name: "metrics", namespace: "kube-system", port };
    const spec = { group, version, groupPriorityMinimum: 100, versionPriority: 100, service, caBundle };
    const body = { apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata: { name }, spec };
    await client.call("POST", path, { body });
    await eventually(`${name} is available`, 60, async () => {
      const { status } = await client.call<Registered>("GET", `${path}/${name}`);
      const available = status?.conditions?.find(({ type }) => type === "Available");
      if (available?.status === "True") return true;
      throw new Error(available?.message);
    });
  }

  #answer({ pathname, searchParams }: URL): object | undefined {
    const [, , group = "", version = "", , namespace, , , metric = ""] = pathname.split("/");
    if (namespace === undefined) return this.#resources(group, version);
    const selector = searchParams.get("labelSelector") ?? "";
    const pods = this.#world.nodes.running.filter((process) => isSelected(process, namespace, selector));
    const metadata = {};
    if (group === "metrics.k8s.io") {
      const items = pods.flatMap((process) => this.#usageOf(process));
      return { kind: "PodMetricsList", apiVersion: "metrics.k8s.io/v1beta1", metadata, items };
    }
    const rule = this.#rules.find(({ name }) => name === metric);
    if (rule === undefined) return undefined;
    const items = pods.flatMap((process) => this.#metricOf(process, rule));
    return { kind: "MetricValueList", apiVersion: "custom.metrics.k8s.io/v1beta2", metadata, items };
  }

  #resources(group: string, version: string): object {
    const ofPods = { singularName: "", namespaced: true, verbs: ["get", "list"] };
    const resources =
      group === "metrics.k8s.io"
        ? [{ name: "pods", kind: "PodMetrics", ...ofPods }]
        : this.#rules.map(({ name }) => ({ name: `pods/${name}`, kind: "MetricValueList", ...ofPods }));
    return { kind: "APIResourceList", apiVersion: "v1", groupVersion: `${group}/${version}`, resources };
  }

  #usageOf({ pod }: PodProcess): readonly object[] {
    const { uid, name, namespace, labels } = pod.metadata;
    const cores = this.meter.cores(uid);
    if (cores === undefined) return [];
    const usage = { cpu: `${Math.round(cores * 1_000)}m`, memory: `${this.meter.residentBytes(uid) ?? 0}` };
    const containers = pod.spec.containers.map((container) => ({ name: container.name, usage }));
    return [{ metadata: { name, namespace, labels }, timestamp: timestamp(), window: "1s", containers }];
  }

  #metricOf({ pod }: PodProcess, rule: AdapterRule): readonly object[] {
    const { uid, name, namespace } = pod.metadata;
    const value = this.meter.valueOf(uid, rule);
    if (value === undefined) return [];
    const describedObject = { kind: "Pod", apiVersion: "v1", name, namespace };
    const metric = { name: rule.name };
    return [
      { describedObject, metric, timestamp: timestamp(), windowSeconds: 1, value: `${Math.round(value * 1_000)}m` },
    ];
  }
}

type Registered = KubeObject & {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
  };
};

function isSelected({ pod: { metadata } }: PodProcess, namespace: string, selector: string): boolean {
  const wanted = selector === "" ? [] : selector.split(",").map((term) => term.split("="));
  return (
    metadata.namespace === namespace &&
    metadata.deletionTimestamp === undefined &&
    wanted.every(([key = "", value]) => metadata.labels?.[key] === value)
  );
}

function timestamp(): string {
  return new Date().toISOString();
}
