// Pods, nodes, a zone, a disk and the API server are lost while messages flow, and nodes are drained. Runs in namespaces of its own, which faults.test.ts
// makes; prints a line of JSON a check. Arguments: folder for everything, folder of binaries, hosts file.
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { check } from "./support/check.ts";
import { CustomResources, has, type Resource } from "./support/custom-resources.ts";
import { installOperator } from "./support/operator.ts";
import { SteadyLoad } from "./support/steady-load.ts";
import { eventually } from "./support/step.ts";
import { World, worldOptions } from "./support/world.ts";

const namespace = "mq";
const settledSeconds = 180;
/** Two nodes a zone, so that a pod whose node is emptied finds another that reaches its volume. */
const nodes = ["a1", "a2", "b1", "b2", "c1", "c2"].map((name) => ({ name: `node-${name}`, zone: name.slice(0, 1) }));
const zone = ["node-a1", "node-a2"];
const isLong = process.env["SATURNMQ_NIGHTLY"] === "1";
/** How long there is no API server, milliseconds: longer than an operator's lease in any case. */
const withoutApiMs = isLong ? 60_000 : 25_000;

async function main(): Promise<void> {
  await using world = await World.open({
    ...{ ...worldOptions(), nodes },
    controllerArgs: "--node-monitor-grace-period=10s --node-monitor-period=1s",
    apiServerArgs: "--default-unreachable-toleration-seconds=3 --default-not-ready-toleration-seconds=3",
  });
  const resources = new CustomResources(world.client, namespace);
  const begun = await check("a cluster is ready", async () => {
    await resources.createNamespace();
    await installOperator(world, [namespace]);
    await resources.create("NameServer", "main", { replicas: 3 });
    await resources.create("Broker", "main", {
      ...{ nameServerRef: { name: "main" }, replicas: 3, shards: 6, storage: { size: "1Gi", reclaim: "Delete" } },
      configuration: { store: { segmentBytes: 16_777_216 } },
    });
    await resources.settled("NameServer", 3, settledSeconds);
    await resources.settled("Broker", 3, settledSeconds);
    await SteadyLoad.declare(resources);
  });
  if (!begun) return;
  const load = new SteadyLoad(namespace);
  await check("nothing acknowledged was lost, message groups were in order", () =>
    load.run(() => faults(world, resources, load)),
  );
}

async function faults(world: World, resources: CustomResources, load: SteadyLoad): Promise<void> {
  await check("a broker that is killed comes back", () =>
    load.during("broker killed", async () => {
      world.nodes.kill("main-broker-0");
      await eventually("it was started again, and is ready", settledSeconds, async () => {
        const pod = (await resources.pods()).find(({ metadata }) => metadata.name === "main-broker-0");
        const restarts = (pod as (Resource & Restarts) | undefined)?.status.containerStatuses[0]?.restartCount;
        return pod !== undefined && restarts === 1 && has(pod, "Ready", "True") ? true : undefined;
      });
      await settled(resources);
    }),
  );
  await check(`no API server for ${withoutApiMs / 1_000} s: messages flow, and no pod is another one after`, () =>
    withoutApi(world, resources, load),
  );
  await check("a broker whose claim is lost is replaced by a new one, which gets what the old one had", () =>
    load.during("claim lost", () => loseClaim(world, resources)),
  );
  await check("two nodes are drained at once: brokers and name servers go one at a time", () =>
    load.during("nodes drained", () => drainTwo(world, resources)),
  );
  await check("a zone is lost: sends go on, the conditions say so, and it heals when the nodes are back", () =>
    load.during("zone lost", () => loseZone(world, resources, load)),
  );
}

type Restarts = { readonly status: { readonly containerStatuses: readonly { readonly restartCount: number }[] } };

async function settled(resources: CustomResources): Promise<void> {
  await resources.settled("NameServer", 3, settledSeconds);
  await resources.settled("Broker", 3, settledSeconds);
}

async function uidsOf(resources: CustomResources): Promise<readonly string[]> {
  const pods = await resources.list("pods");
  return pods.map(({ metadata }) => `${metadata.name} ${metadata.uid}`).toSorted();
}

async function withoutApi(world: World, resources: CustomResources, load: SteadyLoad): Promise<unknown> {
  const before = await uidsOf(resources);
  const sentBefore = load.acknowledged;
  world.killApiServer();
  await sleep(withoutApiMs);
  const sent = load.acknowledged - sentBefore;
  await world.startApiServer();
  await settled(resources);
  const after = await uidsOf(resources);
  if (before.join() !== after.join()) throw new Error(`${before.join()} became ${after.join()}`);
  // A dead operator would let everything stay as it is, too.
  await resources.create("Topic", "afterwards", { brokerRef: { name: "main" } });
  await resources.says("Topic", "afterwards", "True", "Exists");
  if (sent < withoutApiMs / 1_000) throw new Error(`${sent} sends were acknowledged meanwhile`);
  return { sentMeanwhile: sent };
}

async function loseClaim(world: World, resources: CustomResources): Promise<unknown> {
  const idsOf = ({ status }: Resource): readonly number[] => status?.members?.map(({ brokerId = 0 }) => brokerId) ?? [];
  const before = idsOf(await resources.get("Broker", "main"));
  await world.shell(`kubectl delete pvc/main-broker-1 --namespace ${namespace} --wait=false
    kubectl delete pod/main-broker-1 --namespace ${namespace} --wait=false`);
  await eventually("it is somebody new", settledSeconds, async () => {
    const ids = idsOf(await resources.get("Broker", "main"));
    return ids.length === 3 && ids.some((id) => id > Math.max(...before)) ? true : undefined;
  });
  await settled(resources);
  return { before, after: idsOf(await resources.get("Broker", "main")) };
}

/** As two people do it who do not know of each other. */
async function drainTwo(world: World, resources: CustomResources): Promise<unknown> {
  const pods = await resources.pods();
  const [one = "", other = ""] = pods.map((pod) => (pod as Resource & Placed).spec.nodeName);
  const before = await uidsOf(resources);
  const most = { broker: 0, nameserver: 0 };
  const watching = new AbortController();
  const watched = watchDown(resources, watching.signal, most);
  const drain = (node: string): string =>
    `kubectl drain ${node} --ignore-daemonsets --delete-emptydir-data --timeout=170s & ${node.replaceAll("-", "_")}=$!`;
  await world.shell(
    `${drain(one)}\n${drain(other)}\nwait $${one.replaceAll("-", "_")}\nwait $${other.replaceAll("-", "_")}`,
  );
  await settled(resources);
  watching.abort();
  await watched;
  const moved = (await uidsOf(resources)).filter((uid) => !before.includes(uid)).length;
  await world.shell(`kubectl uncordon ${one} ${other}`);
  if (most.broker > 1 || most.nameserver > 1 || moved < 2) throw new Error(`${JSON.stringify(most)}, ${moved} moved`);
  return { atOnce: most, moved };
}

type Placed = { readonly spec: { readonly nodeName: string } };

/** Tells how many brokers and name servers had no pod that runs, at most. */
async function watchDown(
  resources: CustomResources,
  signal: AbortSignal,
  most: Record<"broker" | "nameserver", number>,
): Promise<void> {
  while (!signal.aborted) {
    const running = (await resources.list("pods")).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    for (const role of ["broker", "nameserver"] as const) {
      const count = running.filter(({ metadata }) => metadata.labels?.["saturnmq.io/role"] === role).length;
      most[role] = Math.max(most[role], 3 - count);
    }
    await sleep(100);
  }
}

async function loseZone(world: World, resources: CustomResources, load: SteadyLoad): Promise<unknown> {
  const gaps = load.watchGaps();
  world.nodes.lose(zone);
  await eventually("the conditions say so", 60, async () => {
    const [brokers, nameServers] = await Promise.all([
      resources.get("Broker", "main"),
      resources.get("NameServer", "main"),
    ]);
    const told = [brokers, nameServers].every((set) => has(set, "Ready", "False", "MembersNotReady"));
    return told && has(brokers, "Degraded", "True", "MemberLost") ? true : undefined;
  });
  await sleep(5_000);
  const longestMs = gaps();
  world.nodes.restore(zone);
  await settled(resources);
  const set = await resources.get("Broker", "main");
  if (!has(set, "ZoneSpread", "True")) throw new Error(JSON.stringify(set.status));
  return { longestWithoutAcknowledgementMs: longestMs };
}

await main();
process.exit(0);
