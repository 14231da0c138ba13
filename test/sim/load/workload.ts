import { type Delivery as Delivered, everything, receive } from "@saturnmq/broker/testing";
import { SeededRandom } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Delivery, Send, SendOutcome, Settlement } from "../../support/check/history.ts";
import type { Swarm } from "../swarm.ts";
import type { BrokerNode, SimulatedCluster } from "../world/cluster.ts";
import { BrokerCalls, type CallOutcome } from "./broker-calls.ts";
import { SimulatedMessages } from "./messages.ts";

/** A topic, the group that reads it, and what clients did and saw there. */
export type Lane = {
  readonly topic: TopicInfo;
  readonly group: GroupInfo;
  readonly ordered: boolean;
  readonly sends: Send[];
  readonly deliveries: Delivery[];
  readonly settlements: Settlement[];
};

export type WorkloadOptions = {
  readonly seed: number;
  readonly swarm: Swarm;
  readonly cluster: SimulatedCluster;
  /** Told of what no client may get to see. */
  readonly bug: (error: unknown) => void;
};

const sendTimeoutMs = 4_000;
const callTimeoutMs = 4_000;
const pollMs = 3_000;
/** What a send is refused with when nothing was stored. */
const provesNothingStored: ReadonlySet<string> = new Set(["TOO_MANY_REQUESTS", "TOPIC_NOT_FOUND", "MESSAGE_CORRUPTED"]);

/** A client hears that its message is stored, that one is acknowledged, that a lease is renewed, or gets messages. */
export type Heard = "stored" | "acked" | "renewed" | "delivered";

/** Producers and consumers at work. Each awaits its own calls, one after the other, and repeats none. */
export class Workload {
  readonly lanes: Lane[] = [];
  readonly calls: BrokerCalls;
  readonly messages: SimulatedMessages;
  readonly #options: WorkloadOptions;
  readonly #random: SeededRandom;
  #producing = false;
  #consuming = false;
  #running = 0;
  /** Everything is acknowledged at once: there is nothing left to provoke. */
  diligent = false;
  #receives = 0;
  /** By producer, when its last send was acknowledged, milliseconds. */
  readonly acknowledgedMs = new Map<number, number>();
  /** What is run once, when a client next hears of something. */
  readonly atNext = new Map<Heard, () => void>();

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed ^ 0x10ad);
    this.calls = new BrokerCalls(options.cluster, options.bug);
    this.messages = new SimulatedMessages(options.seed);
  }

  addLane(topic: TopicInfo, group: GroupInfo, ordered: boolean): void {
    this.lanes.push({ topic, group, ordered, sends: [], deliveries: [], settlements: [] });
  }

  start(): void {
    const { producers, consumers } = this.#options.swarm;
    this.#producing = true;
    this.#consuming = true;
    for (let at = 0; at < producers; at += 1) this.#run(() => this.#produce(at));
    for (const lane of this.lanes)
      for (let at = 0; at < consumers; at += 1) this.#run(() => this.#consume(lane, `${lane.topic.name}-${at}`));
  }

  stopProducing(): void {
    this.#producing = false;
  }

  stopConsuming(): void {
    this.#consuming = false;
  }

  /** Clients whose calls are not over. */
  get running(): number {
    return this.#running;
  }

  #run(work: () => Promise<void>): void {
    this.#running += 1;
    work().then(
      () => {
        this.#running -= 1;
      },
      (error: unknown) => this.#options.bug(error),
    );
  }

  async #produce(producer: number): Promise<void> {
    const { cluster, swarm } = this.#options;
    const random = new SeededRandom(this.#random.below(2 ** 32));
    // One producer sends to one topic, so that its sequences are dense in each history.
    const lane = this.lanes[producer % this.lanes.length];
    if (lane === undefined) return;
    for (let sequence = 0; this.#producing; sequence += 1) {
      await this.sleep(random.below(swarm.thinkMs) + 1);
      const group = lane.ordered ? `p${producer}-${random.below(3)}` : undefined;
      const name = { producer, sequence };
      const message = this.messages.outgoing(name, lane.topic.name, group);
      const invokedMs = cluster.queue.nowMs;
      const outcome = await this.calls.to(this.#client(random), this.#anyBroker(random), {
        timeoutMs: sendTimeoutMs,
        invoke: (plane) => plane.send(lane.topic, [message], Infinity),
      });
      const endedMs = cluster.queue.nowMs;
      const known = this.#sendOutcome(outcome);
      if (known.kind === "ok") {
        this.acknowledgedMs.set(producer, endedMs);
        this.#runNext("stored");
      }
      const told = group === undefined ? {} : { messageGroup: group };
      lane.sends.push({
        ...name,
        ...told,
        invokedMs,
        endedMs: known.kind === "info" ? Infinity : endedMs,
        outcome: known,
      });
    }
  }

  #runNext(what: Heard): void {
    const act = this.atNext.get(what);
    this.atNext.delete(what);
    act?.();
  }

  #sendOutcome(outcome: CallOutcome<readonly { readonly queue: number; readonly offset: number }[]>): SendOutcome {
    if (outcome.kind === "reply") {
      const { queue, offset } = outcome.value[0] ?? { queue: -1, offset: -1 };
      return { kind: "ok", queue, offset };
    }
    if (outcome.kind === "unsent") return { kind: "fail" };
    if (outcome.kind === "lost") return { kind: "info" };
    return { kind: provesNothingStored.has(outcome.error.code) ? "fail" : "info" };
  }

  async #consume(lane: Lane, clientId: string): Promise<void> {
    const { cluster } = this.#options;
    const random = new SeededRandom(this.#random.below(2 ** 32));
    while (this.#consuming) {
      const invisibleMs = this.diligent ? 10_000 : 1_000 + random.below(9_000);
      const invokedMs = cluster.queue.nowMs;
      const request = {
        ...{ topic: lane.topic, group: lane.group, filter: everything, clientId, invisibleMs },
        ...{ batchSize: this.diligent ? 32 : 1 + random.below(8), waitMs: pollMs, attemptId: "" },
      };
      const outcome = await this.calls.to(this.#client(random), this.#anyBroker(random), {
        timeoutMs: pollMs + callTimeoutMs,
        invoke: (plane, signal) => receive(plane, request, signal),
        late: (plane, deliveries) => plane.giveBack(deliveries),
      });
      if (outcome.kind !== "reply") {
        await this.sleep(100 + random.below(400));
        continue;
      }
      this.#receives += 1;
      const received = outcome.value.map((delivery, position) =>
        this.#note(lane, delivery, { receive: this.#receives, position, invokedMs, invisibleMs }),
      );
      if (received.length > 0) this.#runNext("delivered");
      for (const [at, delivery] of outcome.value.entries()) {
        const noted = received[at];
        if (noted !== undefined) await this.#handle(lane, delivery, noted, random);
      }
      if (outcome.value.length === 0) await this.sleep(5 + random.below(20));
    }
  }

  #note(
    lane: Lane,
    delivered: Delivered,
    about: { receive: number; position: number; invokedMs: number; invisibleMs: number },
  ): Delivery {
    const { queue, offset, attempt } = delivered;
    const delivery: Delivery = {
      ...{ queue, offset, attempt, ...about, consumerGroup: lane.group.name },
      content: this.messages.contentOf(delivered),
      receivedMs: this.#options.cluster.queue.nowMs,
    };
    lane.deliveries.push(delivery);
    return delivery;
  }

  /** Mostly an acknowledgement, sooner or later; sometimes none, or something else. */
  async #handle(lane: Lane, delivered: Delivered, noted: Delivery, random: SeededRandom): Promise<void> {
    if (!this.diligent) await this.sleep(random.below(random.below(10) === 0 ? 1_500 : 40) + 1);
    const kind = this.diligent ? 0 : random.below(100);
    const { receiptHandle } = delivered;
    const { topic, group } = lane;
    if (kind < 82) await this.#ack(lane, noted, receiptHandle, random);
    else if (kind < 85) {
      await this.#ack(lane, noted, receiptHandle, random);
      await this.#ack(lane, noted, receiptHandle, random);
    } else if (kind < 91) {
      const renewedMs = random.below(3) === 0 ? 0 : 500 + random.below(random.below(2) === 0 ? 4_000 : 10_000);
      const about = { kind: "release", ...(renewedMs > 0 && { renewedMs }) } as const;
      await this.#settle(lane, noted, about, random, (plane) =>
        plane.changeInvisible(topic, group, receiptHandle, renewedMs),
      );
    } else if (kind < 93)
      await this.#settle(lane, noted, { kind: "deadLetter" }, random, (plane) =>
        plane.forwardToDeadLetters(topic, group, receiptHandle),
      );
    // Else it is forgotten: its lease runs out.
  }

  async #ack(lane: Lane, noted: Delivery, handle: string, random: SeededRandom): Promise<void> {
    await this.#settle(lane, noted, { kind: "ack" }, random, async (plane) => {
      const [refusal] = await plane.ack(lane.topic, lane.group, [handle]);
      if (refusal !== undefined) throw refusal;
    });
  }

  async #settle(
    lane: Lane,
    noted: Delivery,
    about: Pick<Settlement, "kind" | "renewedMs">,
    random: SeededRandom,
    invoke: Parameters<BrokerCalls["to"]>[2]["invoke"],
  ): Promise<void> {
    const { queue } = this.#options.cluster;
    const invokedMs = queue.nowMs;
    const outcome = await this.calls.to(this.#client(random), this.#anyBroker(random), {
      timeoutMs: callTimeoutMs,
      invoke,
    });
    if (outcome.kind === "reply") {
      if (about.kind === "ack") this.#runNext("acked");
      if (about.renewedMs !== undefined) this.#runNext("renewed");
    }
    const { consumerGroup, receive, position } = noted;
    lane.settlements.push({
      ...{ ...about, consumerGroup, receive, position, invokedMs, endedMs: queue.nowMs },
      outcome: this.#settlementOutcome(outcome),
    });
  }

  #settlementOutcome(outcome: CallOutcome<unknown>): Settlement["outcome"] {
    if (outcome.kind === "reply") return "ok";
    if (outcome.kind === "unsent") return "fail";
    if (outcome.kind === "lost") return "info";
    return outcome.error.code === "INVALID_RECEIPT_HANDLE" ? "fail" : "info";
  }

  #client(random: SeededRandom): string {
    const { clients } = this.#options.cluster;
    return clients[random.below(clients.length)] ?? "client1";
  }

  /** As through a balancer, which knows who is down and not who is cut off. */
  #anyBroker(random: SeededRandom): BrokerNode {
    const { brokers } = this.#options.cluster;
    const open = brokers.filter(({ broker }) => broker !== undefined);
    const candidates = open.length > 0 ? open : brokers;
    const node = candidates[random.below(candidates.length)];
    if (node === undefined) throw new Error("there is no broker");
    return node;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.cluster.queue.after(ms, resolve);
    });
  }
}
