// The operator is killed right after each of ten kinds of write, before it learns that the write was done, in one life of a cluster. Runs in namespaces of its
// own, which kills.test.ts makes; prints a line of JSON a check. Arguments: folder for everything, folder of binaries, hosts file.
import process from "node:process";
import { isApiError } from "@saturnmq/operator/kube";
import { ApiProxy } from "./support/api-proxy.ts";
import { operatorNamespace } from "./support/audited.ts";
import { check } from "./support/check.ts";
import { CustomResources } from "./support/custom-resources.ts";
import { expectExact } from "./support/exact.ts";
import { installOperator } from "./support/operator.ts";
import { eventually } from "./support/step.ts";
import { World, worldOptions } from "./support/world.ts";

const namespace = "mq";
const settledSeconds = 240;
const ports = { proxy: 16_444, apiServer: 16_443 };

/** Each kills the operator once, at its first time. */
const moments: readonly (readonly [string, RegExp])[] = [
  ["a claim is made", /^POST .*\/persistentvolumeclaims$/],
  ["a pod is made", /^POST .*\/pods$/],
  ["a Service is applied", /^PATCH .*\/services\//],
  ["a budget is applied", /^PATCH .*\/poddisruptionbudgets\//],
  ["a status is written", /^PATCH .*\/brokers\/main\/status$/],
  ["an event is told", /^POST .*\/events$/],
  ["a finalizer is set", /^PATCH .*\/topics\/[^/]+$/],
  ["a pod is deleted", /^DELETE .*\/pods\//],
  ["a claim is retired", /^PATCH .*\/persistentvolumeclaims\//],
  ["a claim is deleted", /^DELETE .*\/persistentvolumeclaims\//],
];

async function main(): Promise<void> {
  await using world = await World.open({ ...worldOptions(), podsApiPort: ports.proxy });
  const done = new Set<string>();
  const proxy = await ApiProxy.open({
    ...{ pki: world.pki, port: ports.proxy, apiServerPort: ports.apiServer },
    written: (write) => {
      const moment = moments.find(([what, which]) => !done.has(what) && which.test(write));
      if (moment === undefined) return false;
      done.add(moment[0]);
      void killOperator(world);
      return true;
    },
  });
  const resources = new CustomResources(world.client, namespace);
  await check("a cluster gets ready, though the operator dies again and again", async () => {
    await resources.createNamespace();
    await installOperator(world, [namespace]);
    await resources.create("NameServer", "main", { replicas: 3 });
    await resources.create("Broker", "main", {
      ...{ nameServerRef: { name: "main" }, replicas: 3, shards: 6, storage: { size: "1Gi", reclaim: "Delete" } },
      configuration: { store: { segmentBytes: 16_777_216 } },
    });
    await resources.settled("NameServer", 3, settledSeconds);
    await resources.settled("Broker", 3, settledSeconds);
    await resources.create("Topic", "orders", { brokerRef: { name: "main" }, deletionPolicy: "Delete" });
    await resources.says("Topic", "orders", "True", "Exists", settledSeconds);
  });
  await check("it scales to four and back to three", async () => {
    await resources.scale("main", 4);
    await resources.settled("Broker", 4, settledSeconds);
    await resources.scale("main", 3);
    await resources.settled("Broker", 3, settledSeconds);
  });
  await check("there is nothing twice and nothing too many", () => expectExact(resources, 3));
  await check(`the operator was killed at all ${moments.length} moments`, async () => {
    const missing = moments.filter(([what]) => !done.has(what)).map(([what]) => what);
    if (missing.length > 0) throw new Error(`not when ${missing.join(", ")}`);
    return [...done];
  });
  await check("what is deleted goes", async () => {
    await resources.remove("Topic", "orders");
    await resources.remove("Broker", "main");
    await eventually("no pods and claims", 120, async () => {
      const left = [...(await resources.pods()), ...(await resources.claims())];
      return left.length === 0 ? true : undefined;
    });
  });
  proxy.close();
}

/** Its pod goes with it, so that the next one need not wait as a container that crashed does; and its Lease, as if that had run out. */
async function killOperator({ client, nodes }: World): Promise<void> {
  const operator = nodes.running.find(({ pod }) => pod.metadata.namespace === operatorNamespace);
  if (operator === undefined) return;
  const { name } = operator.pod.metadata;
  nodes.kill(name);
  const paths = [
    `/apis/coordination.k8s.io/v1/namespaces/${operatorNamespace}/leases/saturnmq`,
    `/api/v1/namespaces/${operatorNamespace}/pods/${name}`,
  ];
  // The Lease first: it is the dead operator's, not yet the next one's.
  for (const path of paths)
    await client.call("DELETE", path, { body: { gracePeriodSeconds: 0 } }).catch((error: unknown) => {
      if (!isApiError(error, "notFound")) throw error;
    });
}

await main();
process.exit(0);
