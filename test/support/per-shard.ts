import type { Address, ClusterTools, Member } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import { messageGroupsByQueue } from "./load/message-groups.ts";
import { ownGroup, runScenario, type ScenarioOptions, type ScenarioResult, type World } from "./scenario.ts";

/** Producers that send to each shard, by different brokers. */
const producersEach = 2;
/** On a machine that runs other suites leaders take their time to move. */
const settledWithinMs = 180_000;

export type PerShardOptions = Pick<ScenarioOptions, "name" | "seed" | "repeat" | "oneAtATime" | "official"> & {
  readonly tools: ClusterTools;
  readonly members: () => readonly Member[];
  /** Where clients connect, each to the next one. */
  readonly addresses: readonly Address[];
  /** Of the cluster. */
  readonly shards: number;
  readonly largestBodyBytes?: number;
};

export type PerShardResult = ScenarioResult & {
  /** Shard of each queue of the topic. */
  readonly shardOf: (queue: number) => number;
};

/**
 * A scenario in which each shard has producers of its own, so that each shard's own gap is seen: the topic has a queue for each shard, and each producer
 * sends to a message group that lives there, some 60 times a second at most. Consumers get message groups in order.
 */
export async function runPerShard(
  options: PerShardOptions,
  disturb: (world: World) => Promise<void>,
): Promise<PerShardResult> {
  const { tools, addresses, shards, largestBodyBytes = 256, ...scenario } = options;
  const [topic, learning] = ["chaos", "learning"];
  for (const made of [topic, learning])
    await tools.cli("topic", "create", made, "--type", "fifo", "--queues", String(shards));
  await tools.cli("group", "create", ownGroup, "--order");
  const first = defined(addresses[0], "address");
  const groups = await messageGroupsByQueue(first, { topic: learning, queues: shards, each: producersEach });
  const result = await runScenario(
    {
      ...{ ...scenario, topic, endpoints: addresses, largestBodyBytes },
      settled: () => tools.untilEven(settledWithinMs),
      ...{ producers: producersEach * shards, consumers: 3, invisibleMs: 10_000, pauseMs: 10 },
      groupOf: (producer) => groupOf(groups, producer),
    },
    disturb,
  );
  const byQueue = await tools.shardOfQueues(topic);
  return { ...result, shardOf: (queue) => defined(byQueue[queue], `queue ${queue}`) };
}

/** Two producers share a connection, and connections go to the brokers in turn: a shift by two has a queue's producers at different brokers. */
function groupOf(groups: readonly (readonly string[])[], producer: number): string {
  const round = Math.floor(producer / groups.length);
  return defined(groups[(producer + 2 * round) % groups.length]?.[round], `a group of producer ${producer}`);
}
