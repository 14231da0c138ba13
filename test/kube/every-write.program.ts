// The operator, a process, is killed after its first write of each life cycle of a cluster, then after its second, and so on until a life cycle has no more
// writes; each time the next operator comes to the same end. API server, controllers, scheduler and name servers are real; brokers too, but all in this
// process, so that a life takes seconds. Arguments as of every program of this folder; SATURNMQ_WRITES="FROM-TO" runs a part of it.
import process from "node:process";
import { check } from "./support/check.ts";
import { CustomResources } from "./support/custom-resources.ts";
import { DoomedOperator } from "./support/doomed-operator.ts";
import { expectExact } from "./support/exact.ts";
import { runInProcess } from "./support/in-process.ts";
import { eventually } from "./support/step.ts";
import { World, worldOptions } from "./support/world.ts";

const namespace = "mq";
const settledSeconds = 120;

type Cycle = { readonly name: string; readonly change: () => Promise<void>; readonly settled: () => Promise<void> };

/** What happens to a cluster, in the order of its life. */
function cyclesOf(resources: CustomResources): readonly Cycle[] {
  let revision = 0;
  let before = "";
  const uids = async (): Promise<readonly string[]> => (await resources.pods()).map(({ metadata }) => metadata.uid);
  return [
    {
      name: "bootstrap",
      change: async () => {
        await resources.create("NameServer", "main", { replicas: 1, storage: { reclaim: "Delete" } });
        await resources.create("Broker", "main", {
          ...{ nameServerRef: { name: "main" }, replicas: 3, shards: 4, storage: { size: "1Gi", reclaim: "Delete" } },
          configuration: { store: { segmentBytes: 16_777_216 } },
        });
        await resources.create("Topic", "orders", { brokerRef: { name: "main" }, deletionPolicy: "Delete" });
      },
      settled: async () => {
        await resources.settled("NameServer", 1, settledSeconds);
        await resources.settled("Broker", 3, settledSeconds);
        await resources.says("Topic", "orders", "True", "Exists", settledSeconds);
        await expectExact(resources, 3);
      },
    },
    {
      name: "scale out",
      change: () => resources.scale("main", 4),
      settled: async () => {
        await resources.settled("Broker", 4, settledSeconds);
        await expectExact(resources, 4);
      },
    },
    {
      name: "roll",
      change: async () => {
        before = (await uids()).join();
        revision += 1;
        await resources.change("Broker", "main", { podTemplate: { labels: { revision: String(revision) } } });
      },
      settled: async () => {
        await resources.settled("Broker", 4, settledSeconds);
        const same = (await uids()).filter((uid) => before.includes(uid));
        if (same.length > 0) throw new Error(`${same.length} pods were not replaced`);
        await expectExact(resources, 4);
      },
    },
    {
      name: "scale in",
      change: () => resources.scale("main", 3),
      settled: async () => {
        await resources.settled("Broker", 3, settledSeconds);
        await expectExact(resources, 3);
      },
    },
    {
      name: "delete",
      change: async () => {
        await resources.remove("Topic", "orders");
        await resources.remove("Broker", "main");
        await resources.remove("NameServer", "main");
      },
      settled: async () => {
        for (const plural of ["pods", "persistentvolumeclaims", "services"])
          await eventually(`no ${plural}`, settledSeconds, async () =>
            (await resources.list(plural)).length === 0 ? true : undefined,
          );
      },
    },
  ];
}

async function main(): Promise<void> {
  await using world = await World.open({ ...worldOptions(), runContainer: runInProcess });
  const resources = new CustomResources(world.client, namespace);
  const operator = new DoomedOperator(world, namespace);
  const started = await check("the operator starts", async () => {
    await resources.createNamespace();
    await operator.start();
  });
  const cycles = cyclesOf(resources);
  /** Of each life cycle, after how many different writes the operator died. */
  const kills = new Map(cycles.map(({ name }) => [name, 0]));
  const { from, to } = started ? range() : { from: 1, to: 0 };
  const open = new Set(cycles);
  for (let nth = from; open.size > 0 && nth <= to; nth += 1) {
    const held = await check(`killed after write ${nth} of each life cycle`, async () => {
      const deaths: string[] = [];
      for (const cycle of cycles) {
        operator.killAfter(open.has(cycle) ? nth : 0);
        await cycle.change();
        await cycle.settled().catch((error: unknown) => {
          throw new Error(`${cycle.name}, killed after ${operator.killedAfter ?? "no write"}: ${String(error)}`);
        });
        operator.check();
        const after = operator.killedAfter;
        if (after === undefined) open.delete(cycle);
        else {
          kills.set(cycle.name, (kills.get(cycle.name) ?? 0) + 1);
          deaths.push(`${cycle.name}: ${after}`);
        }
      }
      return deaths;
    });
    // What is left of a life that went wrong would be taken for a fault of the next.
    if (!held) break;
  }
  await check("the writes after which it was killed are counted", async () => ({
    ...Object.fromEntries(kills),
    all: [...kills.values()].reduce((sum, count) => sum + count, 0),
    unfinished: [...open].map(({ name }) => name),
  }));
  operator.close();
}

function range(): { readonly from: number; readonly to: number } {
  const [from = 1, to = Infinity] = (process.env["SATURNMQ_WRITES"] ?? "1-").split("-").map((text) => {
    return text === "" ? Infinity : Number(text);
  });
  return { from, to };
}

await main();
process.exit(0);
