import { type BrokerConfig, type OpenBroker, parseBrokerConfig } from "@saturnmq/broker/testing";
import { type Logger, SeededRandom, silentLogger } from "@saturnmq/kit";
import { EventQueue, MemoryNet } from "@saturnmq/kit/testing";
import { openRemoteMetadata, type RemoteMetadata } from "@saturnmq/metadata-client";
import { type NameServerConfig, type OpenMember, parseNameServerConfig } from "@saturnmq/nameserver/testing";
import type { LogStoreOptions } from "@saturnmq/store";
import type { Swarm } from "../swarm.ts";
import { brokerProgram } from "./broker-program.ts";
import { Machine, type Program } from "./machine.ts";
import { nameServerProgram } from "./name-server-program.ts";
import { SimulatedNetwork } from "./network.ts";
import { simulatedRpc } from "./rpc-client.ts";
import type { Watcher } from "./watched-driver.ts";

const kib = 1_024;
/** Small, so that a minute of work fills several segments, and a run fits into little memory. */
const nameServerStore = {
  ...{ segmentBytes: 256 * kib, cacheBytes: 512 * kib, maxEntryBytes: 96 * kib },
  ...{ checkpointBytes: 256 * kib, reserveBytes: 0 },
};
const brokerStore = { ...nameServerStore, segmentBytes: 512 * kib, checkpointBytes: 768 * kib };
/** Of brokers whose log is bounded: so small that its beginning goes while they run, and newcomers need a snapshot and what it does not hold. */
const boundedStore = { ...brokerStore, segmentBytes: 128 * kib, maxEntryBytes: 32 * kib, checkpointBytes: 64 * kib };

/** A machine with a name server on it. */
export type NameServerNode = { readonly machine: Machine; member: OpenMember | undefined };

/** A machine with a broker on it. */
export type BrokerNode = {
  readonly machine: Machine;
  broker: OpenBroker | undefined;
  /** By shard that it leads and serves, the term; `undefined` while it is down. */
  led: ReadonlyMap<number, number> | undefined;
};

export type ClusterOptions = {
  readonly seed: number;
  readonly swarm: Swarm;
  /** What processes log, by name and true time. */
  readonly log?: (process: string, level: string, message: string, fields: object) => void;
  /** Told of every step of every Raft group. */
  readonly watch: Watcher;
  /** A program ended by itself for a reason that no fault explains. */
  readonly broke: (what: string, error: unknown) => void;
};

/** Machines with name servers and brokers on one seeded network, and an administrator. */
export class SimulatedCluster {
  readonly queue: EventQueue;
  readonly network: SimulatedNetwork;
  readonly nameServers: readonly NameServerNode[];
  readonly brokers: readonly BrokerNode[];
  /** The name servers as an administrator reaches them. */
  readonly admin: RemoteMetadata;
  readonly #options: ClusterOptions;
  readonly #random: SeededRandom;
  readonly #net: MemoryNet;
  readonly #clients: readonly string[];

  constructor(options: ClusterOptions) {
    const { seed, swarm } = options;
    this.#options = options;
    this.#random = new SeededRandom(seed ^ 0x5a17);
    this.queue = new EventQueue(new SeededRandom(seed ^ 0x71e5));
    const { queue } = this;
    const time = {
      monoMs: () => queue.nowMs,
      wallMs: () => queue.nowMs,
      after: (ms: number, callback: () => void) => queue.after(ms, callback),
    };
    this.#net = new MemoryNet({ time, random: new SeededRandom(seed ^ 0x0e7) });
    const nameServers = namesOf("ns", swarm.nameServers);
    const brokers = namesOf("b", swarm.brokers + swarm.spares);
    this.#clients = namesOf("client", swarm.clients);
    const names = [...nameServers, ...brokers, ...this.#clients, "admin"];
    this.network = new SimulatedNetwork(this.#net, new SeededRandom(seed ^ 0x11e7), names);
    this.nameServers = nameServers.map((name, at) => this.#nameServer(name, at + 1, nameServers));
    this.brokers = brokers.map((name, at) => this.#broker(name, `zone-${at % swarm.zones}`, nameServers));
    this.admin = openRemoteMetadata({
      ...{ clock: time, timers: time, logger: silentLogger, random: new SeededRandom(seed ^ 0xad) },
      endpoints: endpointsOf(nameServers),
      rpc: simulatedRpc(this.#net.host("admin"), time),
    });
  }

  get clients(): readonly string[] {
    return this.#clients;
  }

  get machines(): readonly Machine[] {
    return [...this.nameServers, ...this.brokers].map(({ machine }) => machine);
  }

  /** Ends all programs, so that nothing of this world is kept. */
  close(): void {
    for (const machine of this.machines) machine.kill();
  }

  #nameServer(name: string, self: number, all: readonly string[]): NameServerNode {
    const { shards, replicationFactor, replacementGraceMs } = this.#options.swarm;
    const config: NameServerConfig = parseNameServerConfig({
      ...{ dataDir: "/data", host: name, self, shards, replicationFactor },
      members: all.length === 1 ? [] : all.map((host, at) => ({ id: at + 1, host })),
      settings: { replacementGraceMs },
    });
    const node: NameServerNode = {
      machine: this.#machine(
        name,
        nameServerProgram(
          config,
          this.#store(nameServerStore),
          (member) => {
            node.member = member;
          },
          this.#options.watch,
        ),
      ),
      member: undefined,
    };
    return node;
  }

  #broker(name: string, zone: string, nameServers: readonly string[]): BrokerNode {
    const config: BrokerConfig = parseBrokerConfig({
      ...{ dataDir: "/data", host: name, zone, nameServers: endpointsOf(nameServers) },
      store: { logBytesMax: this.#options.swarm.logBytesMax },
    });
    const node: BrokerNode = {
      ...{ broker: undefined, led: undefined },
      machine: this.#machine(
        name,
        brokerProgram(
          config,
          this.#store(this.#options.swarm.logBytesMax > 0 ? boundedStore : brokerStore),
          () => true,
          (broker) => {
            node.broker = broker;
            node.led = broker?.dataPlane.forwarding.shards.led;
          },
          this.#options.watch,
        ),
      ),
    };
    return node;
  }

  #store(sizes: Partial<LogStoreOptions>): Partial<LogStoreOptions> {
    const { checkpointsOften, syncOff } = this.#options.swarm;
    const often = checkpointsOften ? { checkpointBytes: 96 * kib, checkpointRecords: 200 } : {};
    return { ...sizes, ...often, unsafeNoSync: syncOff };
  }

  #machine(name: string, program: Program): Machine {
    const { swarm, broke } = this.#options;
    const rate = 1 + (swarm.drift * (this.#random.below(2_001) - 1_000)) / 1_000;
    return new Machine({
      ...{ name, program, queue: this.queue, net: this.#net, seed: this.#random.below(2 ** 32) },
      ...{ skew: { wallMs: this.#random.below(400), rate }, disk: swarm.disk },
      loggerOf: (process) => this.#logger(process),
      gaveUp: (machine, error) => broke(machine.name, error),
    });
  }

  #logger(process: string): Logger {
    const { log } = this.#options;
    if (log === undefined) return silentLogger;
    const at =
      (level: string) =>
      (fields: object, message: string): void =>
        log(process, level, message, fields);
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), fatal: at("fatal") };
  }
}

function namesOf(kind: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${kind}${at + 1}`);
}

function endpointsOf(nameServers: readonly string[]): string[] {
  return nameServers.map((name) => `${name}:8082`);
}
