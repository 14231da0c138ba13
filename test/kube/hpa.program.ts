// The HorizontalPodAutoscaler of the real controllers scales brokers out and in, while messages flow. Runs in namespaces of its own, which hpa.test.ts makes;
// prints a line of JSON a check. Arguments: folder for everything, folder of binaries, hosts file.
import process from "node:process";
import type { World as Load } from "../support/scenario.ts";
import { Autoscaled } from "./support/autoscaled.ts";
import { callShares } from "./support/call-shares.ts";
import { check } from "./support/check.ts";
import { eventually } from "./support/step.ts";
import { World, worldOptions } from "./support/world.ts";

const countedMs = 5_000;
/** Of all calls, what a broker that came takes, percent, and how soon. In the short form a single connection may be all that it has. */
const shareMin = process.env["SATURNMQ_NIGHTLY"] === "1" ? 8 : 1;
const shareWithinSeconds = 60;

async function main(): Promise<void> {
  await using world = await World.open(worldOptions());
  let autoscaled: Autoscaled | undefined;
  await check("a release brings a cluster and an HPA, which reads CPU, publish rate and lag", async () => {
    autoscaled = await Autoscaled.open(world, { maxReplicas: 6, step: 1 });
    return (await autoscaled.hpa()).status?.currentMetrics;
  });
  if (autoscaled === undefined) return;
  const cluster = autoscaled;
  await check("nothing acknowledged was lost, message groups were in order, clients met no error", async () => {
    const { passed, text, officialFailures, figures, moments } = await cluster.underLoad((load) => grow(cluster, load));
    if (!passed || officialFailures > 0) throw new Error(`${officialFailures} official failures; ${text}`);
    return { ...figures, moments };
  });
  cluster.close();
}

async function grow(cluster: Autoscaled, load: Load): Promise<void> {
  const { resources, world } = cluster;
  const ending = new AbortController();
  const bursting = cluster.burst(load, ending.signal);
  const before = new Set((await resources.pods()).map(({ metadata }) => metadata.name));
  try {
    await check("load makes the HPA scale from 3 to 6", async () => {
      const wantedAfter = await cluster.untilWanted(6, 180);
      await resources.settled("Broker", 6, 180);
      cluster.note("six are ready");
      return { wantedAfter, leaders: await cluster.evenLeaders() };
    });
    await check(`each broker that came takes ${shareMin} % of all calls or more within ${shareWithinSeconds} s`, () =>
      eventually("shares", shareWithinSeconds, async () => {
        const brokers = world.nodes.running.filter(({ pod }) => pod.metadata.labels?.["saturnmq.io/role"] === "broker");
        const shares = await callShares(brokers, countedMs);
        const least = Object.entries(shares).filter(([name, share]) => !before.has(name) && share < shareMin);
        if (least.length > 0) throw new Error(JSON.stringify(shares));
        cluster.note("calls are shared");
        return shares;
      }),
    );
  } finally {
    ending.abort();
    await bursting;
  }
  await check("idling makes it scale from 6 to 3", async () => {
    const wantedAfter = await cluster.untilWanted(3, 180);
    await resources.settled("Broker", 3, 300);
    cluster.note("three are left");
    const claims = (await resources.claims()).length;
    if (claims !== 3) throw new Error(`${claims} claims`);
    return { wantedAfter, leaders: await cluster.evenLeaders() };
  });
}

await main();
process.exit(0);
