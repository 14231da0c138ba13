import { assert, defined, SeededRandom, silentLogger } from "@saturnmq/kit";
import { MemoryLogStore } from "@saturnmq/store";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { createDriver, immediateTurn, type PeerMessage } from "raft-ts";
import { createDataPlane } from "../data-plane.ts";
import type { DataPlane } from "../data-plane-api.ts";
import { everything } from "../domain/filter.ts";
import type { Delivery, ReceiveRequest, SendOutcome } from "../messaging.ts";
import { answerForward } from "../peer/forward-server.ts";
import { LinkedBrokers, type Links } from "../peer/linked-brokers.ts";
import { FixedMetadata } from "./fixed-metadata.ts";
import { ManualTime, settle } from "./manual-time.ts";
import { outgoing } from "./plane-bench.ts";
import { receive } from "./receive.ts";

/** How long a message between brokers takes. */
const hopMs = 1;

class ProvenNothing extends Error {}

/** One broker of the bench. `life` changes when its process ends: what an earlier one sent late is not heard. */
type Broker = {
  readonly id: number;
  store: MemoryLogStore;
  plane: DataPlane | undefined;
  brokers: LinkedBrokers | undefined;
  receive: (from: number, message: PeerMessage) => void;
  answer: (from: number, request: Uint8Array) => Promise<Uint8Array>;
  life: number;
  readonly softState: Map<string, { readonly to: number | "all"; readonly key: string; readonly value: Uint8Array }>;
};

export type ClusterBenchOptions = { readonly brokers?: number; readonly shards?: number };

/**
 * Several brokers in one process: real data planes, Raft and forwards, encoded as between processes; logs in memory, links that take a millisecond and
 * can be cut, time that stands still.
 */
export class ClusterBench {
  readonly time = new ManualTime();
  readonly metadata: FixedMetadata;
  readonly failures: unknown[] = [];
  /** Clients that are connected, by broker: "1 client". */
  readonly present = new Set<string>();
  readonly #brokers = new Map<number, Broker>();
  /** Directions "from to" in which nothing gets through. */
  readonly #cut = new Set<string>();

  private constructor({ brokers = 3, shards = 6 }: ClusterBenchOptions) {
    const ids = Array.from({ length: brokers }, (_, at) => at + 1);
    this.metadata = new FixedMetadata(shards, () => this.time.wallMs(), ids);
    for (const id of ids) {
      const identity = { clusterId: "test", replicaId: id, incarnation: 1 };
      this.#brokers.set(id, {
        id,
        store: new MemoryLogStore({ wallMs: () => this.time.wallMs(), identity }),
        ...{ plane: undefined, brokers: undefined, life: 0, softState: new Map() },
        receive: () => undefined,
        answer: () => Promise.reject(new ProvenNothing("down")),
      });
    }
  }

  static async open(options: ClusterBenchOptions = {}): Promise<ClusterBench> {
    const bench = new ClusterBench(options);
    for (const id of bench.ids) await bench.start(id);
    await bench.time.pass(3_000);
    return bench;
  }

  get ids(): readonly number[] {
    return [...this.#brokers.keys()];
  }

  plane(id: number): DataPlane {
    return defined(this.#broker(id).plane, `broker ${id} is down`);
  }

  /** Shards that a broker leads and serves. */
  led(id: number): readonly number[] {
    return [...(this.#broker(id).plane?.forwarding.shards.led.keys() ?? [])];
  }

  leaderOf(shard: number): number {
    const id = this.ids.find((broker) => this.led(broker).includes(shard));
    return defined(id, `shard ${shard} has no leader`);
  }

  async start(id: number): Promise<void> {
    const broker = this.#broker(id);
    const { time, metadata } = this;
    const { life, store } = broker;
    const fatal = (error: unknown): void => {
      if (broker.life === life) this.failures.push(error);
    };
    const common = { clock: time, timers: time, random: new SeededRandom(id + 10 * life), logger: silentLogger, fatal };
    const transport = { send: (to: number, message: PeerMessage) => this.#sendRaft(broker, to, message) };
    const driver = createDriver({ log: store, turn: immediateTurn, transport, ...common });
    const brokers = new LinkedBrokers({
      ...{ links: this.#linksOf(broker), clock: time, timers: time, logger: silentLogger },
      provesNothing: (error) => error instanceof ProvenNothing,
      revision: () => broker.plane?.forwarding.revision() ?? 0,
    });
    broker.brokers = brokers;
    const isPresent = (clientId: string): boolean => this.present.has(`${id} ${clientId}`);
    const plane = await createDataPlane({ store, driver, metadata, brokerId: id, brokers, isPresent, ...common });
    broker.plane = plane;
    broker.receive = (from, message) => {
      driver.receive(from, message);
    };
    const room = {
      ...plane.forwarding,
      ...{ clock: time, logger: silentLogger },
      ready: (from: number, words: Parameters<LinkedBrokers["ready"]>[1]) => brokers.ready(from, words),
    };
    broker.answer = (from, request) => answerForward(room, from, request, new AbortController().signal);
    for (const other of this.ids) if (other !== id) this.#connect(broker, this.#broker(other));
  }

  /** The process ends: what no commit covered is gone, and its links with it. */
  kill(id: number): void {
    const broker = this.#broker(id);
    broker.life += 1;
    broker.store = broker.store.crash();
    broker.plane = undefined;
    broker.brokers = undefined;
    broker.softState.clear();
    broker.receive = () => undefined;
    broker.answer = () => Promise.reject(new ProvenNothing("down"));
    for (const other of this.ids) this.#broker(other).brokers?.linkChanged(id, false);
  }

  /** Nothing gets from one broker to another any more, and the links between them end. */
  cut(a: number, b: number): void {
    for (const direction of [`${a} ${b}`, `${b} ${a}`]) this.#cut.add(direction);
    this.#broker(a).brokers?.linkChanged(b, false);
    this.#broker(b).brokers?.linkChanged(a, false);
  }

  heal(a: number, b: number): void {
    for (const direction of [`${a} ${b}`, `${b} ${a}`]) this.#cut.delete(direction);
    this.#connect(this.#broker(a), this.#broker(b));
  }

  topic(name: string, queues = 12): Promise<TopicInfo> {
    return this.metadata.createTopic({ name, type: "NORMAL", queues, retentionMs: undefined });
  }

  async send(at: number, topic: TopicInfo, text: string): Promise<readonly SendOutcome[]> {
    const outcomes = this.plane(at).send(topic, [outgoing(text)], Infinity);
    outcomes.catch(() => undefined);
    await this.time.pass(10);
    return outcomes;
  }

  async receive(
    at: number,
    topic: TopicInfo,
    group: GroupInfo,
    more: Partial<ReceiveRequest> = {},
  ): Promise<readonly Delivery[]> {
    const received = this.receiving(at, topic, group, more);
    await this.time.pass((more.waitMs ?? 100) + 20);
    return received;
  }

  /** A receive that is on its way; time has to pass for it to end. */
  receiving(
    at: number,
    topic: TopicInfo,
    group: GroupInfo,
    more: Partial<ReceiveRequest> = {},
  ): Promise<readonly Delivery[]> {
    const request = {
      topic,
      group,
      filter: everything,
      batchSize: 32,
      invisibleMs: 10_000,
      waitMs: 100,
      clientId: "c",
    };
    return receive(this.plane(at), { ...request, ...more });
  }

  async ack(
    at: number,
    topic: TopicInfo,
    group: GroupInfo,
    deliveries: readonly Delivery[],
  ): Promise<(string | undefined)[]> {
    const handles = deliveries.map(({ receiptHandle }) => receiptHandle);
    const outcomes = this.plane(at).ack(topic, group, handles);
    await this.time.pass(10);
    return (await outcomes).map((error) => error?.message);
  }

  /** Runs something while time passes. */
  async during<T>(work: Promise<T>, ms: number): Promise<T> {
    work.catch(() => undefined);
    await this.time.pass(ms);
    return work;
  }

  async close(): Promise<void> {
    await settle();
    assert(this.failures.length === 0, `a broker failed: ${String(this.failures[0])}`);
  }

  #broker(id: number): Broker {
    return defined(this.#brokers.get(id), `broker ${id}`);
  }

  #reaches(from: number, to: number): boolean {
    return !this.#cut.has(`${from} ${to}`);
  }

  #sendRaft(from: Broker, to: number, message: PeerMessage): void {
    const target = this.#broker(to);
    const copy = structuredClone(message);
    const lives = [from.life, target.life];
    this.time.after(hopMs, () => {
      if (!this.#reaches(from.id, to) || from.life !== lives[0] || target.life !== lives[1]) return;
      target.receive(from.id, copy);
    });
  }

  #linksOf(self: Broker): Links {
    return {
      call: (to, request) => this.#call(self, this.#broker(to), request),
      connected: (id) => this.#reaches(self.id, id) && this.#broker(id).plane !== undefined,
      publish: (to, key, value) => {
        if (value === undefined) self.softState.delete(`${to} ${key}`);
        else self.softState.set(`${to} ${key}`, { to, key, value });
        for (const other of this.#brokers.values()) {
          if (other !== self && (to === "all" || to === other.id)) this.#tell(self, other, key, value);
        }
      },
    };
  }

  async #call(from: Broker, to: Broker, request: Uint8Array): Promise<Uint8Array> {
    const { life } = to;
    await this.#hop();
    if (!this.#reaches(from.id, to.id) || to.plane === undefined || to.life !== life)
      throw new ProvenNothing("no link");
    const reply = await to.answer(from.id, request);
    await this.#hop();
    if (!this.#reaches(to.id, from.id) || to.life !== life) throw new Error("the link ended before the answer");
    return reply;
  }

  #hop(): Promise<void> {
    return new Promise((resolve) => {
      this.time.after(hopMs, resolve);
    });
  }

  #tell(from: Broker, to: Broker, key: string, value: Uint8Array | undefined): void {
    const lives = [from.life, to.life];
    this.time.after(hopMs, () => {
      const same = from.life === lives[0] && to.life === lives[1];
      if (same && this.#reaches(from.id, to.id)) to.brokers?.peerState(from.id, key, value);
    });
  }

  /** A new link: each side gets the other's whole soft state. */
  #connect(a: Broker, b: Broker): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      to.brokers?.linkChanged(from.id, true);
      for (const entry of from.softState.values()) {
        if (entry.to === "all" || entry.to === to.id) this.#tell(from, to, entry.key, entry.value);
      }
    }
  }
}
