// One cluster's life on a real API server, controllers and scheduler, with brokers, name servers and the operator as processes. Runs in namespaces of its own
// (user, network, mount), which cluster.test.ts makes; prints a line of JSON a check. Arguments: folder for everything, folder of binaries, hosts file.
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { checkDeclarations } from "./checks/declarations.ts";
import { checkDefinitions } from "./checks/definitions.ts";
import { checkNameServers } from "./checks/name-servers.ts";
import { checkRights } from "./checks/rights.ts";
import { callsOf, operatorNamespace, writesOf } from "./support/audited.ts";
import { check } from "./support/check.ts";
import { CustomResources, has } from "./support/custom-resources.ts";
import { Messages } from "./support/messages.ts";
import { installOperator } from "./support/operator.ts";
import { usageOf } from "./support/pod-meter.ts";
import { eventually } from "./support/step.ts";
import { World, worldOptions } from "./support/world.ts";

const namespace = "mq";
const messages = new Messages(namespace);
/** How often a set at rest is looked at, and how many such looks are waited for. */
const lookEveryMs = 10_000;
const isLong = process.env["SATURNMQ_NIGHTLY"] === "1";
const looks = isLong ? 10 : 2;

async function main(): Promise<void> {
  const apiServerArgs = "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement";
  await using world = await World.open({ ...worldOptions(), apiServerArgs });
  const resources = new CustomResources(world.client, namespace);
  await check("the API server takes the definitions", async () => {
    await world.shell("kubectl apply -f crds");
    await resources.createNamespace();
    await eventually("definitions are served", 60, () => world.client.call("GET", resources.pathOf("Topic")));
  });
  await checkDefinitions(resources);
  await check("helm installs an operator that looks after one namespace, beside definitions that are there", () =>
    installOperator(world, [namespace], ["crds.create=false"]),
  );
  await live(world, resources);
  await checkRights(world, namespace);
}

async function live(world: World, resources: CustomResources): Promise<void> {
  await check("a cluster of three name servers and three brokers gets ready, spread over three zones", async () => {
    await resources.create("NameServer", "main", { replicas: 3 });
    await resources.create("Broker", "main", {
      nameServerRef: { name: "main" },
      replicas: 3,
      shards: 6,
      storage: { size: "1Gi", reclaim: "Delete" },
      configuration: { store: { segmentBytes: 16_777_216 } },
    });
    await resources.settled("NameServer", 3, 180);
    const set = await resources.settled("Broker", 3, 180);
    if (!has(set, "ZoneSpread", "True")) throw new Error(JSON.stringify(set.status));
    return set.status?.members;
  });
  await checkDeclarations(resources, messages);
  await check("messages are sent through the Service address", () => messages.send(200));
  await check(`converged, in ${looks} looks at each set nothing is written, and the operator takes little`, () =>
    rest(world),
  );
  if (isLong) await checkNameServers(resources, messages);
  await scale(resources);
  await check("a changed setting rolls the brokers, one at a time", () => roll(resources));
  await check("every message that was acknowledged is there", async () => {
    return { messages: await messages.expectAll("readers") };
  });
  await end(resources);
}

/** With what the API server says of itself, and memory and CPU as /proc does. */
async function rest(world: World): Promise<unknown> {
  const pid = world.nodes.running.find(({ pod }) => pod.metadata.namespace === operatorNamespace)?.pid ?? 0;
  const [writes, used] = [writesOf(callsOf(world.audit)).length, usageOf(pid)];
  await sleep(looks * lookEveryMs);
  const since = writesOf(callsOf(world.audit)).slice(writes);
  if (since.length > 0) throw new Error(JSON.stringify(since));
  const now = usageOf(pid);
  if (used === undefined || now === undefined) throw new Error("the operator is not there");
  const corePercent = (100_000 * (now.cpuSeconds - used.cpuSeconds)) / (looks * lookEveryMs);
  const megabytes = now.residentBytes / 1e6;
  if (corePercent > 5 || megabytes > 150) throw new Error(`${corePercent} % of a core, ${megabytes} MB`);
  return { corePercent: Number(corePercent.toFixed(1)), megabytes: Math.round(megabytes) };
}

async function scale(resources: CustomResources): Promise<void> {
  await check("scale out to five, through the scale subresource", async () => {
    await resources.scale("main", 5);
    await resources.settled("Broker", 5, 180);
    await messages.send(100);
  });
  await check("scale in to three: nobody is left in the cluster that has no pod, and its claims are gone", async () => {
    await resources.change("Broker", "main", { replicas: 3 });
    await resources.settled("Broker", 3, 300);
    const claims = (await resources.claims()).length;
    if (claims !== 3) throw new Error(`${claims} claims`);
    await messages.send(100);
  });
  await check("fewer than copies of a message: the set stops at three and says so", async () => {
    await resources.change("Broker", "main", { replicas: 1 });
    await eventually("it says so", 30, async () =>
      has(await resources.get("Broker", "main"), "Scaling", "False", "BelowReplicationFactor") ? true : undefined,
    );
    await resources.change("Broker", "main", { replicas: 3 });
  });
}

async function roll(resources: CustomResources): Promise<unknown> {
  const before = new Set((await resources.pods()).map(({ metadata }) => metadata.uid));
  const most = { stopped: 0, unready: 0 };
  const watching = new AbortController();
  const watched = watchDown(resources, watching.signal, ({ stopped, unready }) => {
    most.stopped = Math.max(most.stopped, stopped);
    most.unready = Math.max(most.unready, unready);
  });
  await resources.change("Broker", "main", { configuration: { limits: { receiveBatchMax: 16 } } });
  await resources.settled("Broker", 3, 300);
  watching.abort();
  await watched;
  const kept = (await resources.pods()).filter(({ metadata }) => before.has(metadata.uid));
  if (kept.length > 0 || most.stopped > 1)
    throw new Error(`${kept.length} pods were kept, ${most.stopped} were stopped at once`);
  await messages.send(100);
  return { atOnce: most };
}

async function end(resources: CustomResources): Promise<void> {
  await check("hibernated, there are no pods and three claims; woken up, the messages are there", async () => {
    await resources.change("Broker", "main", { replicas: 0 });
    await untilNone("pods", 120, () => resources.pods());
    await resources.change("Broker", "main", { replicas: 3 });
    await resources.settled("Broker", 3, 180);
    await messages.send(10);
  });
  await check("a deleted set leaves no pod and, as its policy says, no claim", async () => {
    await resources.client.call("DELETE", resources.pathOf("Broker", "main"));
    await untilNone("pods", 120, () => resources.pods());
    await untilNone("claims", 60, () => resources.claims());
  });
}

function untilNone(what: string, seconds: number, list: () => Promise<readonly unknown[]>): Promise<true> {
  return eventually(`no ${what}`, seconds, async () => ((await list()).length === 0 ? true : undefined));
}

type Down = { readonly stopped: number; readonly unready: number };

/** Tells how many of the three brokers have no pod that runs, and how many are not ready for whatever reason, again and again. */
async function watchDown(resources: CustomResources, signal: AbortSignal, tell: (down: Down) => void): Promise<void> {
  while (!signal.aborted) {
    const running = (await resources.pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const ready = running.filter((pod) => has(pod, "Ready", "True"));
    tell({ stopped: 3 - running.length, unready: 3 - ready.length });
    await sleep(100);
  }
}

await main();
process.exit(0);
