import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "@saturnmq/kit";
import { feedCli, runCli } from "./cli.ts";

const settledWithinMs = 60_000;
const pollMs = 250;

/** A line of `saturnmq shard list`, what is used of it. */
export type ShardLine = {
  readonly shard: number;
  /** Broker id; 0: none that is known. */
  readonly leaderHint: number;
  readonly voters: readonly number[];
  readonly moving: boolean;
  readonly lags: readonly { readonly broker: number; readonly entries: string | number }[];
};

/** A line of `saturnmq broker list`, what is used of it. */
export type BrokerLine = {
  readonly id: number;
  /** up, draining, down or removed. */
  readonly state: string;
  /** Host and port for clients. */
  readonly address: string;
  readonly replicas: number;
  readonly leads: number;
};

/** What `saturnmq` says of a cluster and does to it, a process each time. */
export class ClusterTools {
  readonly #endpoint: () => string;

  /** @param endpoint gives `host:port` of a broker that runs now */
  constructor(endpoint: () => string) {
    this.#endpoint = endpoint;
  }

  /** Runs `saturnmq ARGUMENTS`. @throws {Error} with its output when it fails */
  async cli(...commandLine: readonly string[]): Promise<string> {
    return runCli(...commandLine, "--endpoint", this.#endpoint());
  }

  /** Sends each text as a message. @throws {Error} unless all are acknowledged */
  async produce(topic: string, texts: readonly string[]): Promise<void> {
    await feedCli(texts.join("\n"), "produce", topic, "--endpoint", this.#endpoint());
  }

  /** Messages of a group as text, acknowledged, until none has come for 10 s. One whose send was repeated may be there twice. */
  async consume(topic: string, group: string): Promise<readonly string[]> {
    const out = await this.cli("consume", topic, "--group", group, "--timeout", "10s");
    return out.split("\n").filter((line) => line !== "");
  }

  async shards(): Promise<readonly ShardLine[]> {
    const { shards } = (await this.#json("shard", "list")) as { readonly shards: readonly ShardLine[] };
    return shards;
  }

  /** Without those that are forgotten. */
  async brokers(): Promise<readonly BrokerLine[]> {
    const { brokers } = (await this.#json("broker", "list")) as { readonly brokers: readonly BrokerLine[] };
    return brokers.filter(({ state }) => state !== "removed");
  }

  /** The shards that the broker with this id leads. */
  async ledBy(id: number): Promise<readonly number[]> {
    const led = (await this.shards()).filter(({ leaderHint }) => leaderHint === id);
    return led.map(({ shard }) => shard);
  }

  /** The newest id that the cluster gave to a broker at this host. */
  async idAt(host: string): Promise<number> {
    const own = (await this.brokers()).filter(({ address }) => address.startsWith(`${host}:`)).map(({ id }) => id);
    return defined(own.toSorted((a, b) => a - b).at(-1), `a broker at ${host}`);
  }

  /** Shard of each queue of a topic, in the order of the queues. */
  async shardOfQueues(topic: string): Promise<readonly number[]> {
    type Queue = { readonly queue: number; readonly shard: number };
    const { queues } = (await this.#json("topic", "describe", topic)) as { readonly queues: readonly Queue[] };
    return queues.toSorted((a, b) => a.queue - b.queue).map(({ shard }) => shard);
  }

  /** Asks again and again. @throws {Error} that tells the cluster's state when it does not come true in time, default 60 s */
  async until(what: string, holds: () => Promise<boolean>, withinMs = settledWithinMs): Promise<void> {
    const late = performance.now() + withinMs;
    while (!(await holds().catch(() => false))) {
      if (performance.now() > late) throw new Error(`not within ${withinMs} ms: ${what}\n${await this.#state()}`);
      await sleep(pollMs);
    }
  }

  /** Waits until every shard is led by one of its voters. */
  async untilLed(withinMs?: number): Promise<void> {
    const isLed = ({ leaderHint, voters }: ShardLine): boolean => voters.includes(leaderHint);
    await this.until("every shard has a leader", async () => (await this.shards()).every(isLed), withinMs);
  }

  /** Waits until the brokers that are up lead equally many shards, within one. */
  async untilEven(withinMs?: number): Promise<void> {
    await this.until("leaders are even within one", async () => isEven(await this.brokers()), withinMs);
    await this.untilLed(withinMs);
  }

  async #json(...commandLine: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.cli(...commandLine, "--output", "json"));
  }

  async #state(): Promise<string> {
    const told = await Promise.allSettled([this.cli("broker", "list"), this.cli("shard", "list")]);
    return told.map((one) => (one.status === "fulfilled" ? one.value : String(one.reason))).join("\n");
  }
}

function isEven(brokers: readonly BrokerLine[]): boolean {
  const leads = brokers.filter(({ state }) => state === "up").map((broker) => broker.leads);
  return Math.max(...leads) - Math.min(...leads) <= 1;
}
