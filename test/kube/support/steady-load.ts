import { ClusterTools } from "@saturnmq/bench";
import type { Send } from "../../support/check/history.ts";
import { textOf } from "../../support/check/report.ts";
import { nowMs } from "../../support/process/disturbances.ts";
import { type World as Load, ownGroup, runScenario, untilOfficialsSend } from "../../support/scenario.ts";
import { untilAtRest } from "./at-rest.ts";
import type { CustomResources } from "./custom-resources.ts";

const topic = "orders";
const producers = 12;
const pauseMs = 100;
const groupOf = (producer: number): string => `group-${producer}`;
const brokerRef = { name: "main" };

/** Producers and consumers of message groups at one cluster, while something is done to it. */
export class SteadyLoad {
  readonly #address: { readonly host: string; readonly port: number };
  #load: Load | undefined;

  constructor(namespace: string) {
    this.#address = { host: `main-broker-clients.${namespace}.svc`, port: 8_081 };
  }

  /** Declares the topic and the group that it uses. */
  static async declare(resources: CustomResources): Promise<void> {
    await resources.create("Topic", topic, { brokerRef, type: "FIFO", queues: 6 });
    await resources.create("ConsumerGroup", ownGroup, { brokerRef, order: "Fifo" });
    await resources.says("Topic", topic, "True", "Exists");
    await resources.says("ConsumerGroup", ownGroup, "True", "Exists");
  }

  /** Sends that were acknowledged so far. */
  get acknowledged(): number {
    return this.#load?.recorder.counts.ok ?? 0;
  }

  /** Works while messages flow, then checks what clients saw. @throws {Error} with every anomaly */
  async run(work: () => Promise<void>): Promise<unknown> {
    const { host, port } = this.#address;
    const tools = new ClusterTools(() => `${host}:${port}`);
    const { report, acknowledged } = await runScenario(
      {
        ...{ name: "faults", repeat: "make kube-test", seed: 11, topic, endpoints: [this.#address], groupOf },
        ...{ members: () => [], settled: () => untilAtRest(tools), largestBodyBytes: 512 },
        ...{ producers, consumers: 3, pauseMs, official: { producers: 2, consumers: 0, pauseMs } },
      },
      async (load) => {
        await untilOfficialsSend(load, producers);
        this.#load = load;
        await work();
        await untilOfficialsSend(load, producers);
      },
    );
    if (!report.passed) throw new Error(textOf(report));
    const { sends, reasons, lagMs } = report;
    return { acknowledged, sends, reasons, lagMs };
  }

  /** Notes that something is wrong on purpose while `work` runs: the checker may explain by it what came again. */
  async during(what: string, work: () => Promise<unknown>): Promise<unknown> {
    const end = this.#load?.disturbances.begin(what);
    try {
      return await work();
    } finally {
      end?.();
    }
  }

  /** From now on. @returns a function that gives, for the luckiest and the unluckiest producer, the longest wait for an acknowledgement, milliseconds */
  watchGaps(): () => { readonly least: number; readonly most: number } {
    const fromMs = nowMs();
    return () => {
      const untilMs = nowMs();
      const ok = (this.#load?.recorder.sends ?? []).filter(
        ({ producer, outcome, endedMs }) => producer < producers && outcome.kind === "ok" && endedMs > fromMs,
      );
      const gaps = Array.from({ length: producers }, (_, producer) => longestGap(ok, producer, fromMs, untilMs));
      return { least: Math.min(...gaps), most: Math.max(...gaps) };
    };
  }
}

function longestGap(sends: readonly Send[], producer: number, fromMs: number, untilMs: number): number {
  const times = sends.filter((send) => send.producer === producer).map(({ endedMs }) => endedMs);
  const marks = [fromMs, ...times.toSorted((one, other) => one - other), untilMs];
  return Math.round(Math.max(...marks.slice(1).map((mark, at) => mark - (marks[at] ?? mark))));
}
