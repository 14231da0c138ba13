import { setTimeout as sleep } from "node:timers/promises";
import { ProcessCluster } from "@saturnmq/bench";
import { SeededRandom } from "@saturnmq/kit";
import { Service } from "../support/network/service.ts";
import { planFaults } from "../support/process/fault-schedule.ts";
import {
  officialGroup,
  ownGroup,
  runScenario,
  type ScenarioOptions,
  type ScenarioResult,
  untilOfficialsSend,
  type World,
} from "../support/scenario.ts";

// Runs inside a namespace: a whole cluster, the official client behind a Service beside our own clients, messages in groups.

const size = { brokers: 3, nameServers: 3, zones: ["a", "b", "c"], shards: 24, network: 7 };
const serviceAddress = { host: "127.0.0.1", port: 8_080 };
const topic = "chaos";
const producers = 12;
/** On a machine that runs other suites leaders take their time to move. */
const settledWithinMs = 180_000;

export type TenMinutesOptions = {
  readonly seed: number;
  readonly repeat: string;
  readonly runMs: number;
  readonly everyMs: number;
  readonly lastsMs: number;
};

export type TenMinutesResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  readonly kills: number;
  /** Members that were down at the same time, at most. */
  readonly mostAtOnce: number;
};

/** A random member is killed again and again, and started again after a while; never two are down. */
export async function membersKilled(options: TenMinutesOptions): Promise<TenMinutesResult> {
  const { seed, runMs, everyMs, lastsMs } = options;
  await using cluster = await ProcessCluster.start(size);
  const members = cluster.members.map(({ name }) => name);
  const plan = planFaults({ seed, members, kinds: ["kill"], everyMs, lastsMs, runMs });
  let mostAtOnce = 0;
  const result = await underLoad("members killed", cluster, options, { isOrdered: true }, async (world) => {
    await untilOfficialsSend(world, producers);
    await world.outages.follow(plan, new AbortController().signal);
    await untilOfficialsSend(world, producers);
    mostAtOnce = world.outages.mostAtOnce;
  });
  await cluster.stop();
  return { ...result, kills: plan.length, mostAtOnce };
}

/** The control: groups that do not ask for order get none, which the same checker must say. */
export async function orderNotAskedFor(options: TenMinutesOptions): Promise<TenMinutesResult> {
  await using cluster = await ProcessCluster.start(size);
  const result = await underLoad("order not asked for", cluster, options, { isOrdered: false }, () =>
    sleep(options.runMs),
  );
  await cluster.stop();
  return { ...result, kills: 0, mostAtOnce: 0 };
}

async function underLoad(
  name: string,
  cluster: ProcessCluster,
  { seed, repeat }: TenMinutesOptions,
  { isOrdered }: { readonly isOrdered: boolean },
  disturb: (world: World) => Promise<void>,
): Promise<Pick<ScenarioResult, "report" | "acknowledged">> {
  const { tools, addresses } = cluster;
  await tools.cli("topic", "create", topic, "--type", "fifo", "--queues", String(size.shards));
  for (const group of [ownGroup, officialGroup])
    await tools.cli("group", "create", group, ...(isOrdered ? ["--order"] : []));
  await using service = await Service.open(serviceAddress, () => addresses, new SeededRandom(seed));
  const load: Partial<ScenarioOptions> = { invisibleMs: 15_000, forgetPercent: 1, pauseMs: 5, largestBodyBytes: 1_024 };
  const { report, acknowledged } = await runScenario(
    {
      ...{
        name,
        repeat,
        seed,
        topic,
        settled: () => tools.untilEven(settledWithinMs),
        members: () => cluster.members,
        endpoints: addresses,
        oneAtATime: true,
        ...load,
      },
      ...{ producers, consumers: 4, official: { producers: 4, consumers: 2, address: service.address } },
      groupOf: (producer) => `group-${producer}`,
    },
    disturb,
  );
  return { report, acknowledged };
}
