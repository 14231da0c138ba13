import process from "node:process";
import { ClusterTools } from "@saturnmq/bench";
import type { KubeObject } from "@saturnmq/operator/kube";
import { textOf } from "../../support/check/report.ts";
import { Producers } from "../../support/load/producers.ts";
import { SeededBodies } from "../../support/load/seeded-bodies.ts";
import { type World as Load, officialGroup, ownGroup, runScenario } from "../../support/scenario.ts";
import { untilAtRest } from "./at-rest.ts";
import { CustomResources } from "./custom-resources.ts";
import { MetricsApi } from "./metrics-api.ts";
import { eventually } from "./step.ts";
import { Timeline } from "./timeline.ts";
import type { World } from "./world.ts";

const namespace = "mq";
const address = { host: `main-broker-clients.${namespace}.svc`, port: 8_081 };
const topic = "orders";
const shards = 12;
const seed = 7;
const largestBodyBytes = 512;
const isLong = process.env["SATURNMQ_NIGHTLY"] === "1";
/** Together 4 sends a second. */
const own = { producers: 4, pauseMs: 2_000 };
/** Its consumer acknowledges one message after the other: on a busy machine it does not keep up. */
const officials = { producers: 2, consumers: isLong ? 1 : 0, pauseMs: 1_000 };
/** Producers that come and go; two share a connection. Together 130 sends a second; a sixth of that, on a busy machine, is still enough. */
const burst = { producers: 40, firstProducer: 100, pauseMs: 300 };
/** Sends a second that a broker is to take: far fewer than it could, so that the machine is not what is measured. */
const messagesPerSecond = 4;
const evenWithinMs = 180_000;
const groupOf = (producer: number): string => `group-${producer}`;

/** 1 broker a step, a step each 10 s, and what was wanted 10 s ago counts. */
const behavior = (brokers: number) => ({
  scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: "Pods", value: brokers, periodSeconds: 10 }] },
  scaleDown: { stabilizationWindowSeconds: 10, policies: [{ type: "Pods", value: brokers, periodSeconds: 10 }] },
});

export type AutoscalingOptions = {
  readonly maxReplicas: number;
  /** Brokers that the HPA may add or take away in 10 s. */
  readonly step: number;
};

/** A cluster with an HPA, both of one release of the chart, and what asks for metrics is answered. */
export class Autoscaled {
  readonly resources: CustomResources;
  readonly tools = new ClusterTools(() => `${address.host}:${address.port}`);
  readonly metrics: MetricsApi;
  readonly world: World;
  #timeline: Timeline | undefined;

  private constructor(world: World, resources: CustomResources, metrics: MetricsApi) {
    this.world = world;
    this.resources = resources;
    this.metrics = metrics;
  }

  /** Resolves when the cluster is ready and the HPA has read all of its metrics. */
  static async open(world: World, { maxReplicas, step }: AutoscalingOptions): Promise<Autoscaled> {
    const resources = new CustomResources(world.client, namespace);
    await resources.createNamespace();
    const metrics = await MetricsApi.open(world);
    const helm = (verb: string, values: object): Promise<unknown> =>
      world.shell(
        `helm ${verb} saturnmq helm/saturnmq --namespace ${namespace} --wait --values -`,
        JSON.stringify(values),
      );
    await helm("install", { watchNamespaces: [namespace] });
    const broker = {
      ...{ shards, storage: { size: "1Gi", reclaim: "Delete" }, resources: { requests: { cpu: "1" } } },
      configuration: { store: { segmentBytes: 16_777_216 } },
    };
    const consumerGroups = Object.fromEntries([ownGroup, officialGroup].map((name) => [name, { order: "Fifo" }]));
    const topics = { [topic]: { type: "FIFO", queues: shards } };
    await helm("upgrade --reuse-values", {
      cluster: { enabled: true, broker, topics, consumerGroups },
      autoscaling: {
        ...{ enabled: true, maxReplicas, messagesPerSecond, unreadMessages: 100_000 },
        behavior: behavior(step),
      },
    });
    await resources.settled("NameServer", 3, 180);
    await resources.settled("Broker", 3, 180);
    await resources.says("Topic", topic, "True", "Exists");
    const autoscaled = new Autoscaled(world, resources, metrics);
    await autoscaled.untilHpaReads(3);
    return autoscaled;
  }

  close(): void {
    this.metrics.close();
  }

  /** Says something of this moment of the run. */
  note(text: string): void {
    this.#timeline?.note(text);
  }

  /** Waits until the HPA says what it read of so many metrics. The controllers learn of a new kind within 30 s. */
  async untilHpaReads(count: number): Promise<void> {
    await eventually(`the HPA reads ${count} metrics`, 90, async () => {
      const { status } = await this.hpa();
      const read = status?.currentMetrics?.filter(({ type }) => type !== "") ?? [];
      if (read.length === count) return true;
      throw new Error(JSON.stringify(status ?? {}));
    });
  }

  hpa(): Promise<Hpa> {
    return this.world.client.call("GET", `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers/main`);
  }

  /** Waits until the HPA wants so many brokers, and gives how long that took, seconds. */
  async untilWanted(brokers: number, seconds: number): Promise<number> {
    const startedMs = performance.now();
    await eventually(`the HPA wants ${brokers} brokers`, seconds, async () => {
      const { spec } = await this.resources.get("Broker", "main");
      if (spec?.replicas === brokers) return true;
      throw new Error(JSON.stringify((await this.hpa()).status ?? {}));
    });
    return Math.round((performance.now() - startedMs) / 100) / 10;
  }

  /** Leaders of each broker that is up, once they are even. */
  async evenLeaders(): Promise<readonly number[]> {
    await this.tools.untilEven(evenWithinMs);
    return (await this.tools.brokers()).filter(({ state }) => state === "up").map(({ leads }) => leads);
  }

  /** Producers and consumers run all the time, in message groups, while `disturb` works; then what they saw is checked. */
  async underLoad(disturb: (load: Load) => Promise<void>): Promise<AutoscaledResult> {
    let moments: AutoscaledResult["moments"] = [];
    const { report } = await runScenario(
      {
        ...{ name: "autoscaled", repeat: "make kube-test", seed, topic, endpoints: [address], largestBodyBytes },
        ...{ members: () => [], settled: () => untilAtRest(this.tools), groupOf },
        ...{ ...own, consumers: 3, invisibleMs: 15_000, official: officials },
      },
      async (load) => {
        await this.#untilOfficialsSend(load);
        const timeline = new Timeline(this.resources, () => load.recorder.counts.ok);
        this.#timeline = timeline;
        try {
          await disturb(load);
        } finally {
          timeline.close();
          moments = timeline.moments;
        }
      },
    );
    const { passed, sends, timesDelivered, reasons, lagMs } = report;
    return {
      ...{ passed, text: textOf(report), moments, officialFailures: failuresOf(reasons) },
      figures: { sends, timesDelivered, reasons, lagMs },
    };
  }

  #untilOfficialsSend({ recorder }: Load): Promise<true> {
    return eventually("the official client sends", 120, async () =>
      recorder.sends.some(({ producer, outcome }) => isOfficial(producer) && outcome.kind === "ok") ? true : undefined,
    );
  }

  /** More load, until `signal` aborts. */
  async burst({ recorder }: Load, signal: AbortSignal): Promise<void> {
    const { producers: count, firstProducer, pauseMs } = burst;
    const bodies = new SeededBodies(seed, largestBodyBytes);
    const producers = new Producers({ topic, count, bodies, recorder, firstProducer, groupOf, pauseMs });
    this.note(`${count} more producers`);
    await producers.run([address], signal);
    this.note(`those ${count} have stopped`);
  }
}

function isOfficial(producer: number): boolean {
  return producer >= own.producers && producer < own.producers + officials.producers;
}

/** Sends of the official client that it gave up. Its deadline of 3 s says as much of a busy machine as of the brokers: that counts in the long form. */
function failuresOf(reasons: Readonly<Record<string, number>>): number {
  const failed = Object.entries(reasons).filter(([reason]) => reason.startsWith("official send: "));
  const counted = failed.filter(([reason]) => isLong || !reason.includes("DEADLINE_EXCEEDED"));
  return counted.reduce((sum, [, count]) => sum + count, 0);
}

export type AutoscaledResult = {
  /** Nothing acknowledged is lost, message groups are in order, and whatever else the checker knows. */
  readonly passed: boolean;
  readonly text: string;
  readonly figures: Readonly<Record<string, unknown>>;
  readonly moments: Timeline["moments"];
  /** Sends of the official client that failed in spite of its retries. */
  readonly officialFailures: number;
};

type Hpa = KubeObject & {
  readonly status?: {
    readonly desiredReplicas?: number;
    readonly currentMetrics?: readonly { readonly type: string }[];
  };
};
