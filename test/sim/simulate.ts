import type { DataPlane, PeekedMessage } from "@saturnmq/broker/testing";
import { DiskError, SaturnError, SeededRandom } from "@saturnmq/kit";
import { CorruptionError, type LogStore } from "@saturnmq/store";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { checkHistory } from "../support/check/check-history.ts";
import type { History, Read } from "../support/check/history.ts";
import { type Invariant, Violation } from "./invariants/invariant.ts";
import { metadataAgrees } from "./invariants/metadata-agrees.ts";
import { oneLeaderATerm } from "./invariants/one-leader-a-term.ts";
import { raftRules } from "./invariants/raft/raft-rules.ts";
import type { RaftRule } from "./invariants/raft/raft-step.ts";
import { votersAreWhole } from "./invariants/raft/voters-are-whole.ts";
import { type Lane, Workload } from "./load/workload.ts";
import { Nemesis } from "./nemesis.ts";
import { findDivergence, type Replicas, settledReplicas } from "./replicas.ts";
import { drawSwarm, type Fault, type Swarm } from "./swarm.ts";
import { type ClusterOptions, SimulatedCluster } from "./world/cluster.ts";
import { runEvents } from "./world/event-loop.ts";

/** What a run did: a run that claims to have checked something must have reached it. */
export type Report = {
  readonly seed: number;
  /** Equal for equal seeds: every event is part of it, and all that clients saw. */
  readonly traceHash: number;
  readonly simulatedMs: number;
  /** Of this process, milliseconds. */
  readonly cpuMs: number;
  readonly events: number;
  readonly sends: { readonly ok: number; readonly fail: number; readonly info: number };
  readonly deliveries: number;
  readonly acked: number;
  readonly faults: ReadonlyMap<Fault, number>;
};

/** A run did not keep what SaturnMQ promises. */
class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
}

export type SimulationOptions = {
  /** What differs from what the seed draws. */
  readonly swarm?: Partial<Swarm>;
  readonly log?: ClusterOptions["log"];
};

/** A new cluster serves within this, milliseconds. */
const setUpMs = 30_000;
/** After the faults end a random core of the cluster must serve every client within this. */
const recoveryMs = 30_000;
/** … and everything that is there be delivered and acknowledged within this. */
const drainMs = 90_000;
/** … and all replicas be where they are wanted and hold the same within this after everybody is back. */
const convergenceMs = 90_000;

/**
 * One seeded run of a whole cluster: sizes, load and faults are drawn from `seed`. Faults at first; then they end for a random core, which must
 * serve; then everything that was sent must be read, and all replicas agree.
 *
 * @throws {SimulationFailure} that says what was not kept
 */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Report> {
  const run = new Run(seed, options);
  const unhandled = (error: unknown): void => run.bug(error);
  process.on("unhandledRejection", unhandled);
  try {
    return await run.play();
  } finally {
    process.off("unhandledRejection", unhandled);
    run.close();
  }
}

/** A topic as it was read when all was well again. `expired`: by queue, the first offset that was left. */
type Reading = { readonly reads: readonly Read[]; readonly expired: ReadonlyMap<number, number> };

const nothingRead: Reading = { reads: [], expired: new Map() };

class Run {
  readonly #seed: number;
  readonly #swarm: Swarm;
  readonly #random: SeededRandom;
  readonly #cluster: SimulatedCluster;
  readonly #workload: Workload;
  readonly #nemesis: Nemesis;
  readonly #invariants: readonly Invariant[] = [oneLeaderATerm(), metadataAgrees()];
  readonly #raftRules: readonly RaftRule[];
  readonly #beganCpuMs = cpuMs();
  readonly #readings = new Map<Lane, Reading>();
  #failure: Error | undefined;
  #events = 0;
  #trace = 0;
  #faulty = false;

  constructor(seed: number, { swarm: changes, log }: SimulationOptions) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    const swarm = { ...drawSwarm(this.#random), ...changes };
    this.#swarm = swarm;
    this.#cluster = new SimulatedCluster({
      ...{ seed, swarm },
      ...(log && { log }),
      watch: (step) => {
        for (const rule of this.#raftRules) rule.stepped(step);
      },
      broke: (what, error) => {
        const isDamage = this.#nemesis.isDamaged(what) && tellsOfDamage(error);
        if (!isDamage && !isExpectedEnd(error, this.#faulty)) this.bug(error, what);
      },
    });
    this.#workload = new Workload({ seed, swarm, cluster: this.#cluster, bug: (error) => this.bug(error) });
    this.#nemesis = new Nemesis(this.#cluster, swarm, new SeededRandom(seed ^ 0x9e37), (what, act) => {
      this.#workload.atNext.set(what, act);
    });
    const logOf = (name: string): LogStore | undefined =>
      this.#cluster.brokers.find(({ machine }) => machine.name === name)?.broker?.store;
    this.#raftRules = [...raftRules(), votersAreWhole({ logOf, logStartOf: (shard) => this.#logStartOf(shard) })];
  }

  #logStartOf(shard: number): number {
    const replicas = this.#cluster.brokers.flatMap(({ broker }) => broker?.dataPlane.counters().shards ?? []);
    return Math.max(1, ...replicas.filter((one) => one.shard === shard).map(({ logStart }) => logStart));
  }

  /** Something that no client, operator or fault explains. */
  bug(error: unknown, where = "somewhere"): void {
    this.#failure ??= new SimulationFailure(`${where}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }

  close(): void {
    this.#cluster.close();
  }

  async play(): Promise<Report> {
    await this.#setUp();
    await this.#safetyPhase();
    await this.#livenessPhase();
    await this.#readBack();
    await this.#converge();
    return this.#report();
  }

  async #setUp(): Promise<void> {
    const { nameServers, brokers, admin } = this.#cluster;
    const { swarm } = { swarm: this.#swarm };
    for (const { machine } of nameServers) machine.boot();
    for (const { machine } of brokers.slice(0, swarm.brokers)) machine.boot();
    admin.watch(() => undefined, new AbortController().signal);
    const plain = await this.#patiently(() => admin.createTopic(topicOf("plain", "NORMAL", swarm.queues)));
    const fifo = await this.#patiently(() => admin.createTopic(topicOf("fifo", "FIFO", swarm.fifoQueues)));
    this.#workload.addLane(plain, await this.#patiently(() => admin.createGroup(groupOf("workers", false))), false);
    this.#workload.addLane(fifo, await this.#patiently(() => admin.createGroup(groupOf("ordered", true))), true);
    const ready = (): boolean =>
      brokers.slice(0, swarm.brokers).every(({ broker }) => broker?.dataPlane.ready === true);
    await this.#until(() => ready() && this.#servedShards() === swarm.shards, setUpMs, "the new cluster serves");
    const knows = ({ topic, group }: Lane): boolean =>
      brokers.every(({ broker }) => broker === undefined || knowsLane(broker.dataPlane.forwarding, topic, group));
    await this.#until(() => this.#workload.lanes.every(knows), setUpMs, "brokers know topics and groups");
  }

  #servedShards(): number {
    return new Set(this.#cluster.brokers.flatMap(({ led }) => [...(led?.keys() ?? [])])).size;
  }

  async #safetyPhase(): Promise<void> {
    const { queue } = this.#cluster;
    this.#workload.start();
    this.#faulty = true;
    this.#nemesis.start();
    const endMs = queue.nowMs + this.#swarm.safetyMs;
    await this.#until(() => queue.nowMs >= endMs, Infinity, "the time of faults ends");
    this.#nemesis.stop();
    this.#nemesis.heal();
  }

  /** A random core comes back; whoever is down otherwise stays down until it has served. */
  async #livenessPhase(): Promise<void> {
    const { queue, brokers, nameServers } = this.#cluster;
    const down = this.#swarm.nameServers > 1 && this.#random.below(2) === 0 ? 1 : 0;
    for (const { machine } of shuffled(nameServers, this.#random).slice(down)) machine.boot();
    for (const { machine, broker } of brokers)
      if (broker !== undefined || machine.disk.paths().length > 0) machine.boot();
    const fromMs = queue.nowMs;
    const { producers } = this.#swarm;
    const isServed = (producer: number): boolean => (this.#workload.acknowledgedMs.get(producer) ?? 0) > fromMs;
    const all = (): boolean => Array.from({ length: producers }, (_, at) => at).every(isServed);
    await this.#until(
      () => all() && this.#servedShards() === this.#swarm.shards,
      recoveryMs,
      "every client is served again",
    );
    this.#workload.stopProducing();
    this.#workload.diligent = true;
    for (const { machine } of nameServers) machine.boot();
    await this.#drain();
    this.#workload.stopConsuming();
    await this.#until(() => this.#workload.running === 0, 30_000, "clients end");
    this.#faulty = false;
  }

  /** Consumers go on until nothing is left to deliver. */
  async #drain(): Promise<void> {
    const { queue } = this.#cluster;
    const endMs = queue.nowMs + drainMs;
    for (;;) {
      const left = await Promise.all(this.#workload.lanes.map((lane) => this.#drive(this.#lagOf(lane))));
      if (left.every((lag) => lag === 0)) return;
      if (queue.nowMs > endMs)
        throw new SimulationFailure(`not all was delivered ${drainMs} ms after the faults: ${left.join()} are left`);
      await this.#drive(this.#workload.sleep(500));
    }
  }

  async #lagOf({ group }: Lane): Promise<number> {
    const described = await this.#ask((plane) => plane.describeGroup(group));
    return described?.flatMap(({ queues }) => queues).reduce((sum, { lag }) => sum + lag, 0) ?? Infinity;
  }

  /** Every message by its place, as whoever leads its shard has it. */
  async #readBack(): Promise<void> {
    for (const lane of this.#workload.lanes) this.#readings.set(lane, await this.#readLane(lane));
  }

  async #readLane({ topic }: Lane): Promise<Reading> {
    const reads: Read[] = [];
    const expired = new Map<number, number>();
    const queues = await this.#patiently(async () => {
      const found = await this.#ask((plane) => plane.describeTopic(topic));
      if (found?.length !== topic.queues) throw new SaturnError("HA_NOT_AVAILABLE", "not all queues are led");
      return found;
    });
    for (const { queue, minOffset, nextOffset } of queues) {
      if (this.#swarm.logBytesMax > 0) expired.set(queue, minOffset);
      const offsets = Array.from({ length: nextOffset - minOffset }, (_, at) => minOffset + at);
      const messages = await this.#drive(Promise.all(offsets.map((offset) => this.#peek(topic, queue, offset))));
      for (const [at, message] of messages.entries()) {
        const offset = minOffset + at;
        if (message === undefined) expired.set(queue, offset + 1);
        else reads.push({ queue, offset, content: this.#workload.messages.contentOf(message), batch: reads.length });
      }
    }
    return { reads, expired };
  }

  /** `undefined` when retention was quicker. */
  async #peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage | undefined> {
    try {
      return await this.#patience(() => this.#mustAsk((plane) => plane.peek(topic, queue, offset)));
    } catch (error) {
      if (this.#swarm.logBytesMax === 0 || !(error instanceof SaturnError) || error.code !== "OFFSET_NOT_FOUND")
        throw error;
      return undefined;
    }
  }

  async #converge(): Promise<void> {
    let why = "";
    let replicas: readonly Replicas[] = [];
    const settled = (): boolean => {
      const found = settledReplicas(this.#cluster);
      if (typeof found === "string") why = found;
      else replicas = found;
      return typeof found !== "string";
    };
    await this.#until(settled, convergenceMs, () => `replicas agree: ${why}`, 500);
    const divergence = await this.#drive(findDivergence(replicas, this.#random));
    if (divergence !== undefined) throw new SimulationFailure(`replicas differ: ${divergence}`);
  }

  #report(): Report {
    const anomalies: string[] = [];
    for (const lane of this.#workload.lanes) {
      const findings = checkHistory(this.#historyOf(lane));
      for (const { kind, detail } of findings.anomalies) anomalies.push(`${lane.topic.name}: ${kind}: ${detail}`);
    }
    if (anomalies.length > 0)
      throw new SimulationFailure(`${anomalies.length} anomalies: ${anomalies.slice(0, 8).join("; ")}`);
    const sends = this.#workload.lanes.flatMap((lane) => lane.sends);
    const having = (kind: string): number => sends.filter(({ outcome }) => outcome.kind === kind).length;
    return {
      ...{ seed: this.#seed, traceHash: this.#trace, events: this.#events },
      cpuMs: cpuMs() - this.#beganCpuMs,
      simulatedMs: Math.round(this.#cluster.queue.nowMs),
      sends: { ok: having("ok"), fail: having("fail"), info: having("info") },
      deliveries: this.#workload.lanes.reduce((sum, { deliveries }) => sum + deliveries.length, 0),
      acked: this.#workload.lanes.reduce(
        (sum, { settlements }) =>
          sum + settlements.filter(({ kind, outcome }) => kind === "ack" && outcome === "ok").length,
        0,
      ),
      faults: this.#nemesis.counts,
    };
  }

  #historyOf(lane: Lane): Partial<History> {
    const { sends, deliveries, settlements, group, ordered } = lane;
    const { disturbances } = this.#nemesis;
    const { reads, expired } = this.#readings.get(lane) ?? nothingRead;
    const readings = [{ reader: "peek", reads }];
    const about = { drained: [group.name], locked: ordered ? [group.name] : [], expired };
    return { sends, deliveries, settlements, readings, disturbances, ...about };
  }

  /** Asks a random broker that is up; `undefined` when nothing came of it. */
  async #ask<Value>(invoke: (plane: DataPlane) => Promise<Value>): Promise<Value | undefined> {
    try {
      return await this.#drive(this.#mustAsk(invoke));
    } catch (error) {
      if (error instanceof SaturnError) return undefined;
      throw error;
    }
  }

  async #mustAsk<Value>(invoke: (plane: DataPlane) => Promise<Value>): Promise<Value> {
    const open = this.#cluster.brokers.filter(({ broker }) => broker !== undefined);
    const node = open[this.#random.below(Math.max(1, open.length))];
    const client = this.#cluster.clients[0];
    if (node === undefined || client === undefined) throw new SaturnError("HA_NOT_AVAILABLE", "no broker is up");
    const outcome = await this.#workload.calls.to(client, node, { timeoutMs: 5_000, invoke });
    if (outcome.kind === "reply") return outcome.value;
    throw outcome.kind === "refused" ? outcome.error : new SaturnError("HA_NOT_AVAILABLE", "nothing was answered");
  }

  #patiently<Value>(ask: () => Promise<Value>): Promise<Value> {
    return this.#drive(this.#patience(ask));
  }

  /** Asks again while the answer is that it may do better later. */
  async #patience<Value>(ask: () => Promise<Value>): Promise<Value> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await ask();
      } catch (error) {
        const passing = error instanceof SaturnError && isPassing(error);
        if (!passing || tries > 60) throw error;
        await this.#workload.sleep(500);
      }
    }
  }

  /** Lets things happen until a promise of the outside is settled. */
  async #drive<Value>(promise: Promise<Value>): Promise<Value> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.#until(() => settled, 120_000, "an answer comes");
    return promise;
  }

  async #until(condition: () => boolean, limitMs: number, what: string | (() => string), everyMs = 0): Promise<void> {
    const { queue } = this.#cluster;
    const endMs = queue.nowMs + limitMs;
    let nextMs = queue.nowMs;
    const done = (): boolean => {
      if (queue.nowMs < nextMs) return false;
      nextMs = queue.nowMs + everyMs;
      if (condition()) return true;
      if (queue.nowMs <= endMs) return false;
      throw new SimulationFailure(`waited ${limitMs} ms in vain: ${typeof what === "string" ? what : what()}`);
    };
    await runEvents(queue, done, () => this.#afterEvent());
  }

  #afterEvent(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#events += 1;
    this.#trace = (Math.imul(this.#trace, 31) + Math.floor(this.#cluster.queue.nowMs * 1_000)) | 0;
    try {
      for (const invariant of this.#invariants) invariant.afterEvent(this.#cluster);
    } catch (error) {
      if (error instanceof Violation) throw new SimulationFailure(error.message, { cause: error });
      throw error;
    }
  }
}

/** Whether a program may end so by itself: for want of a name server, or, while disks are bad, because of its disk. */
function isExpectedEnd(error: unknown, faulty: boolean): boolean {
  if (error instanceof SaturnError) return isPassing(error);
  if (!(error instanceof Error) || !faulty) return false;
  return error instanceof DiskError || isExpectedEnd(error.cause, faulty);
}

/** Whether a program that ended says itself that what it read is not what was written, or not its own. */
function tellsOfDamage(error: unknown): boolean {
  if (error instanceof SaturnError) return error.code === "FORBIDDEN";
  return error instanceof CorruptionError || (error instanceof Error && tellsOfDamage(error.cause));
}

function isPassing({ code }: SaturnError): boolean {
  return code === "HA_NOT_AVAILABLE" || code === "TOO_MANY_REQUESTS";
}

function topicOf(name: string, type: TopicInfo["type"], queues: number) {
  return { requestId: `topic-${name}`, name, type, queues, retentionMs: undefined };
}

function groupOf(name: string, order: boolean) {
  return { requestId: `group-${name}`, name, order, from: "earliest", maxAttempts: 64, implicit: false } as const;
}

type Forwarding = { readonly topic: (id: number) => TopicInfo; readonly group: (id: number) => GroupInfo };

function knowsLane({ topic: topicById, group: groupById }: Forwarding, topic: TopicInfo, group: GroupInfo): boolean {
  try {
    return topicById(topic.id).id === topic.id && groupById(group.id).id === group.id;
  } catch {
    return false;
  }
}

function shuffled<Item>(items: readonly Item[], random: SeededRandom): Item[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    [result[at], result[other]] = [result[other] as Item, result[at] as Item];
  }
  return result;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
