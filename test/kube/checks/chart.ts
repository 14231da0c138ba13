import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { KubeObject } from "@saturnmq/operator/kube";
import { parseAllDocuments } from "yaml";
import { operatorNamespace } from "../support/audited.ts";
import { check } from "../support/check.ts";
import { eventually } from "../support/step.ts";
import type { World } from "../support/world.ts";

const files = fileURLToPath(new URL("../../../helm/saturnmq/files/", import.meta.url));
const knows = "--api-versions saturnmq.io/v1alpha1/Broker";

/** Values that must be refused, and a word of why. */
const wrongValues: readonly (readonly [string, RegExp])[] = [
  ["replicaCount=0", /replicaCount/],
  ["replicaCont=2", /replicaCont/],
  ["logLevel=loud", /logLevel/],
  ["image.pullPolicy=Sometimes", /pullPolicy/],
  ["watchNamespaces=mq", /watchNamespaces/],
  ["autoscaling.enabled=true", /nothing to scale without cluster\.enabled/],
  ["cluster.enabled=true,autoscaling.enabled=true,autoscaling.minReplicas=10", /at most autoscaling\.maxReplicas/],
];

/** Everything that can be switched on. */
const everything = [
  ...["replicaCount=2", "podDisruptionBudget.enabled=true", "cluster.enabled=true", "cluster.topics.orders.queues=4"],
  ...["cluster.consumerGroups.billing.order=Fifo", "autoscaling.enabled=true", "autoscaling.messagesPerSecond=5000"],
  ...["autoscaling.unreadMessages=10000", "monitoring.serviceMonitor.enabled=true", "monitoring.rules.enabled=true"],
  ...["monitoring.dashboards.enabled=true", "monitoring.adapterRules.enabled=true", "watchNamespaces={mq,default}"],
].map((value) => `--set '${value}'`);

/** What else the chart can be told, where it was installed as the README says. */
export async function checkChart(world: World): Promise<void> {
  await check(`${wrongValues.length} wrong values are refused, each by its name`, async () => {
    for (const [value, says] of wrongValues) {
      const told = await world.shell(`helm template saturnmq helm/saturnmq ${knows} --set '${value}'`).then(
        () => "taken",
        (error: unknown) => String(error),
      );
      if (!says.test(told)) throw new Error(`${value}: ${told}`);
    }
  });
  await check("everything that can be switched on is taken by the API server", () => dryRun(world));
  await check("the operator's pods are as the restricted profile wants", async () => {
    const label = "pod-security.kubernetes.io/enforce=restricted";
    const { stderr } = await world.shell(`kubectl label --dry-run=server namespace ${operatorNamespace} ${label}`);
    if (stderr !== "") throw new Error(stderr);
  });
  await check("alerts, dashboard and adapter rules name metrics that there are", () => checkMetrics(world));
  await check("a cluster of the release gets ready, and `helm test` asks it", () => ownCluster(world));
  await check("uninstalled, the operator is gone; definitions, clusters and pods stay", () => uninstall(world));
}

async function dryRun(world: World): Promise<unknown> {
  const template = `helm template saturnmq helm/saturnmq --namespace ${operatorNamespace} ${knows}`;
  const { stdout } = await world.shell(`${template} ${everything.join(" ")}`);
  const objects = parseAllDocuments(stdout).flatMap((document): KubeObject[] => {
    return document.contents === null ? [] : [document.toJS() as KubeObject];
  });
  const kinds: string[] = [];
  for (const { apiVersion = "", kind = "", ...rest } of objects) {
    kinds.push(kind);
    // Its definitions are not ours to bring.
    if (apiVersion.startsWith("monitoring.coreos.com/")) continue;
    await world.apply({ apiVersion, kind, ...rest }, "--dry-run=server --validate=strict");
  }
  return { objects: kinds.length, kinds: [...new Set(kinds)].length };
}

async function checkMetrics(world: World): Promise<unknown> {
  const { items } = await world.client.call<{ readonly items: readonly (KubeObject & Placed)[] }>(
    "GET",
    "/api/v1/pods",
    { query: { labelSelector: "app.kubernetes.io/name=saturnmq" } },
  );
  const pages = await Promise.all(
    items.map(async ({ status }) => (await fetch(`http://${status.podIP}:9090/metrics`)).text()),
  );
  const there = new Set(pages.flatMap((page) => [...page.matchAll(/^([a-z_]+)[ {]/gm)].map(([, name]) => name)));
  const text = ["alerts.yaml", "adapter-rules.yaml", "dashboard.json"].map((name) =>
    readFileSync(files + name, "utf8"),
  );
  const exprs = text.join("\n").matchAll(/(?:expr"?|seriesQuery|query"): "?(.*)/g);
  const named = [...exprs].flatMap(([, expr = ""]) => expr.match(/\b(?:saturnmq|process)_[a-z_]+/g) ?? []);
  const unknown = named.filter((name) => !there.has(name));
  if (named.length < 25 || unknown.length > 0) throw new Error(`of ${named.length}: ${unknown.join(", ")}`);
  return { named: new Set(named).size, pods: pages.length };
}

type Placed = { readonly status: { readonly podIP: string } };

async function ownCluster(world: World): Promise<void> {
  const small = ["cluster.enabled=true", "cluster.name=small", "cluster.nameServer.replicas=1"];
  const broker = ["cluster.broker.replicas=1", "cluster.broker.replicationFactor=1", "cluster.broker.shards=4"];
  const sets = [...small, ...broker, "cluster.topics.orders.queues=4"].map((value) => `--set ${value}`).join(" ");
  await world.shell(`helm upgrade saturnmq helm/saturnmq --namespace ${operatorNamespace} --reuse-values ${sets}
    kubectl wait --namespace ${operatorNamespace} --for=condition=Ready --timeout=60s broker/small topic/orders
    helm test saturnmq --namespace ${operatorNamespace} --timeout 60s`);
}

async function uninstall(world: World): Promise<void> {
  const brokers = async (): Promise<string> =>
    (await world.shell("kubectl get pods --namespace mq --selector saturnmq.io/role=broker --output name")).stdout;
  const before = await brokers();
  await world.shell(`helm uninstall saturnmq --namespace ${operatorNamespace} --wait --timeout 60s`);
  await eventually("the operator is gone", 30, async () => {
    const selector = "app.kubernetes.io/component=operator";
    const { stdout } = await world.shell(`kubectl get pods --all-namespaces --selector ${selector} --output name`);
    return stdout === "" ? true : undefined;
  });
  await world.shell("kubectl get nameserver/main broker/main topic/lines --namespace mq");
  const after = await brokers();
  if (before === "" || before !== after) throw new Error(`${before} became ${after}`);
}
