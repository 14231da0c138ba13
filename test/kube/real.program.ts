// A cluster of images: the operator, a name server and three brokers in containers of a real kubelet, containerd and runc. Runs as root, in namespaces of its own, which
// real.test.ts makes; prints a line of JSON a check. Arguments: folder for everything, folder of binaries, hosts file.
import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { checkConfinement } from "./checks/confinement.ts";
import { apiServerForPods, RealNode } from "./real/real-node.ts";
import { check } from "./support/check.ts";
import { CustomResources, has, type Resource } from "./support/custom-resources.ts";
import { Messages } from "./support/messages.ts";
import { installOperator } from "./support/operator.ts";
import { eventually } from "./support/step.ts";
import { World, worldOptions } from "./support/world.ts";

const namespace = "mq";
const image = fileURLToPath(new URL("../../dist/image/", import.meta.url));
const messages = new Messages(namespace);

async function main(): Promise<void> {
  const options = { ...worldOptions(), nodes: [], apiServerArgs: apiServerForPods };
  await using world = await World.open(options);
  await using node = await RealNode.open(options, `${image}image.tar`);
  const resources = new CustomResources(world.client, namespace);
  await check("the kubelet's node is ready, and containerd has the image by its digest", async () => {
    await world.shell("kubectl wait --for=condition=Ready --timeout=60s node/node-1");
    const digest = readFileSync(`${image}digest`, "utf8").trim();
    const line = (await node.images()).split("\n").find((text) => text.startsWith("docker.io/library/saturnmq:"));
    if (line?.includes(digest) !== true) throw new Error(`${digest}: ${line}`);
    return { digest };
  });
  await resources.createNamespace();
  await check("helm installs the operator, a container like any other", async () => {
    await installOperator(world, [namespace]);
    await world.shell(
      "kubectl label --overwrite namespace saturnmq-system pod-security.kubernetes.io/enforce=restricted",
    );
  });
  await cluster(resources);
  await checkConfinement(world, namespace, "main-broker-0");
  await life(world, node, resources);
}

async function cluster(resources: CustomResources): Promise<void> {
  await check("a name server and three brokers get ready", async () => {
    await resources.create("NameServer", "main", { replicas: 1, storage: { size: "1Gi" } });
    await resources.create("Broker", "main", {
      nameServerRef: { name: "main" },
      replicas: 3,
      shards: 6,
      storage: { size: "1Gi", reclaim: "Delete" },
      resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "1Gi" } },
      configuration: { store: { segmentBytes: 16_777_216 } },
    });
    await resources.settled("NameServer", 1, 120);
    const { status } = await resources.settled("Broker", 3, 180);
    return status?.members?.map(({ zone }) => zone);
  });
  await check("messages are sent through the Service address", async () => {
    await resources.create("Topic", "orders", { brokerRef: { name: "main" }, queues: 6 });
    await resources.says("Topic", "orders", "True", "Exists");
    await messages.send(500);
  });
}

async function life(world: World, node: RealNode, resources: CustomResources): Promise<void> {
  await check("a suspended broker is not ready, others serve; woken up it is ready again", async () => {
    const pod = await podOf(resources, 1);
    const processes = await node.processesOf(pod.metadata.uid);
    for (const id of processes) process.kill(id, "SIGSTOP");
    await readiness(resources, 1, "False", 60);
    await messages.send(100);
    for (const id of processes) process.kill(id, "SIGCONT");
    await readiness(resources, 1, "True", 60);
  });
  await check("a killed container is started again on its data", async () => {
    const pod = await podOf(resources, 2);
    for (const id of await node.processesOf(pod.metadata.uid)) if (isServer(id)) process.kill(id, "SIGKILL");
    await eventually("restarted", 60, async () => (restartsOf(await podOf(resources, 2)) === 1 ? true : undefined));
    await readiness(resources, 2, "True", 60);
    await messages.send(100);
  });
  await check(
    "a deleted pod ends by itself, code 0, well within its grace period; its successor has its data",
    async () => {
      const { metadata } = await podOf(resources, 0);
      const startedMs = performance.now();
      const ended = exitOf(world, metadata.name, metadata.uid);
      await world.shell(`kubectl delete --namespace ${namespace} pod ${metadata.name} --wait=true --timeout=90s`);
      const seconds = Number(((performance.now() - startedMs) / 1_000).toFixed(1));
      const code = await ended;
      if (code !== 0 || seconds > 45) throw new Error(`exit code ${code} after ${seconds} s`);
      await resources.settled("Broker", 3, 120);
      return { seconds };
    },
  );
  await check("a changed setting rolls the brokers", async () => {
    await resources.change("Broker", "main", { configuration: { limits: { receiveBatchMax: 16 } } });
    await resources.settled("Broker", 3, 300);
    await messages.send(100);
  });
  await check("every message that was acknowledged is there", async () => {
    return { messages: await messages.expectAll("readers") };
  });
  await check("deleted, nothing is left of the cluster: no pod, no claim of brokers", async () => {
    await world.shell(
      `kubectl delete --namespace ${namespace} topic/orders broker/main nameserver/main --timeout=120s`,
    );
    await eventually("no pods", 120, async () => ((await resources.list("pods")).length === 0 ? true : undefined));
    await eventually("no claims", 60, async () => ((await resources.claims()).length === 0 ? true : undefined));
  });
}

async function podOf(resources: CustomResources, index: number): Promise<Pod> {
  const name = `main-broker-${index}`;
  const pod = (await resources.pods()).find(({ metadata }) => metadata.name === name);
  if (pod === undefined) throw new Error(`there is no ${name}`);
  return pod;
}

type Terminated = { readonly exitCode: number };
type Pod = Resource & {
  readonly status?: {
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly state?: { readonly terminated?: Terminated };
    }[];
  };
};

function restartsOf({ status }: Pod): number {
  return status?.containerStatuses?.[0]?.restartCount ?? 0;
}

function readiness(resources: CustomResources, index: number, status: string, seconds: number): Promise<true> {
  return eventually(`broker ${index} has Ready=${status}`, seconds, async () => {
    return has(await podOf(resources, index), "Ready", status) ? true : undefined;
  });
}

/** The sandbox's process belongs to the pod too; without it the kubelet would make all anew. */
function isServer(id: number): boolean {
  return readFileSync(`/proc/${id}/cmdline`, "utf8").includes("saturnmq");
}

/** The code with which the container of a pod that is being deleted ends: its last word before the pod is gone. */
async function exitOf(world: World, name: string, uid: string): Promise<number | undefined> {
  let code: number | undefined;
  for (;;) {
    try {
      const pod = await world.client.call<Pod>("GET", `/api/v1/namespaces/${namespace}/pods/${name}`);
      if (pod.metadata.uid !== uid) return code;
      code = pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode ?? code;
    } catch {
      return code;
    }
    await sleep(20);
  }
}

await main();
process.exit(0);
