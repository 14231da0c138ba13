import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defined } from "@saturnmq/kit";
import type { Address } from "../generator/rpc-client.ts";
import { cliPath } from "./cli.ts";
import { ClusterTools } from "./cluster-tools.ts";
import { Member } from "./member.ts";

/** Ports of every member, as in production: members differ by their loopback address. */
export const clusterPorts = {
  client: 8_081,
  nameServer: 8_082,
  peer: 8_083,
  nameServerPeer: 8_084,
  http: 9_090,
} as const;

/** Last byte of the first name server's address; brokers count from 1. */
const nameServersFrom = 201;
/** On a quiet machine a second or two; one that runs other suites took more than a minute. */
const servesWithinMs = 180_000;
const stopsWithinMs = 15_000;

export type ProcessClusterOptions = {
  readonly brokers: number;
  /** 1, 3 or 5. */
  readonly nameServers: number;
  /** Failure zones, to members in turn; none: all are in one without a name. */
  readonly zones?: readonly string[];
  readonly shards: number;
  /** 1 to 254: addresses are 127.0.network.y. Default: one on which nobody listens. */
  readonly network?: number;
  /** Default 4 MiB, so that kills also meet the ends of segments. */
  readonly segmentBytes?: number;
  /** Where the members' folders are made; default: the machine's folder for temporary files. All of it is removed at the end. */
  readonly parent?: string;
  /** Of the cluster, where they differ from the default. */
  readonly settings?: NameServerSettings;
  /** The `saturnmq` command that a member runs; default: this checkout's. */
  readonly programOf?: (name: string) => string;
  /** Command that runs a member as its last arguments, for another view of the machine; must `exec` it. */
  readonly wrapperOf?: (name: string, dataFolder: string) => readonly [] | readonly [string, ...string[]];
};

/** As in a name server's configuration. */
type NameServerSettings = {
  readonly replacementGraceMs?: number;
  readonly moveBudget?: number;
};

/** A member of a cluster and where it is. */
export type Placed = {
  /** `broker-2`, `nameserver-1`. */
  readonly name: string;
  /** From 1, each kind by itself. */
  readonly number: number;
  readonly zone: string;
  readonly host: string;
  /** Its data folder. */
  readonly folder: string;
  readonly member: Member;
};

/**
 * A cluster of real processes, `saturnmq nameserver` and `saturnmq broker`, each with an address and a folder of its own. None starts again by
 * itself. Disposing kills what still runs and removes the folders.
 */
export class ProcessCluster implements AsyncDisposable {
  readonly nameServers: readonly Placed[];
  /** They ask a broker that runs. */
  readonly tools = new ClusterTools(() => `${this.#running().host}:${clusterPorts.client}`);
  readonly #brokers: Placed[];
  /** Brokers that were ever started: no address is used for two. */
  #started: number;
  readonly #options: ProcessClusterOptions;
  readonly #network: number;
  readonly #folder: string;

  private constructor(options: ProcessClusterOptions, network: number, folder: string) {
    this.#options = options;
    this.#network = network;
    this.#folder = folder;
    this.nameServers = numbers(options.nameServers).map((number) => this.#placed("nameserver", number));
    this.#brokers = numbers(options.brokers).map((number) => this.#placed("broker", number));
    this.#started = options.brokers;
  }

  /** Starts all and waits until every member serves and every shard has a leader. @throws {Error} with a member's output when one does not come up */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const network = options.network ?? (await freeNetwork());
    const folder = await mkdtemp(join(options.parent ?? tmpdir(), "saturnmq-cluster-"));
    const cluster = new ProcessCluster(options, network, folder);
    try {
      // A new broker gives up when no name server answers for a while, which on a busy machine is soon.
      for (const some of [cluster.nameServers, cluster.#brokers]) {
        for (const placed of some) await cluster.#start(placed);
        await cluster.whenServing();
      }
      await cluster.tools.untilLed();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** In the order in which they were first started. */
  get brokers(): readonly Placed[] {
    return this.#brokers;
  }

  get members(): readonly Member[] {
    return [...this.nameServers, ...this.#brokers].map(({ member }) => member);
  }

  /** Where clients find the brokers. */
  get addresses(): readonly Address[] {
    return this.#brokers.map(({ host }) => ({ host, port: clusterPorts.client }));
  }

  broker(name: string): Placed {
    return defined(
      this.#brokers.find((placed) => placed.name === name),
      name,
    );
  }

  /** Starts one more broker, with an empty folder, and waits until it serves. */
  async addBroker(): Promise<Placed> {
    this.#started += 1;
    const placed = this.#placed("broker", this.#started);
    this.#brokers.push(placed);
    await this.#start(placed);
    await placed.member.whenServing(servesWithinMs);
    return placed;
  }

  /** Stops a broker, which must hold nothing any more: it is no member from now on. */
  async removeBroker(placed: Placed): Promise<void> {
    this.#brokers.splice(this.#brokers.indexOf(placed), 1);
    await placed.member.terminate(stopsWithinMs);
  }

  /** Waits until every member that runs serves. @throws {Error} when one does not */
  async whenServing(): Promise<void> {
    const running = this.members.filter(({ pid }) => pid !== undefined);
    await Promise.all(running.map((member) => member.whenServing(servesWithinMs)));
  }

  /** SIGTERM to brokers, then to name servers, which listen to the brokers' goodbyes. @throws {Error} when one does not end in time */
  async stop(): Promise<void> {
    for (const some of [this.#brokers, this.nameServers]) {
      const running = some.filter(({ member }) => member.pid !== undefined);
      await Promise.all(running.map(({ member }) => member.terminate(stopsWithinMs)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #running(): Placed {
    return defined(
      this.#brokers.find(({ member }) => member.pid !== undefined),
      "a broker that runs",
    );
  }

  #placed(kind: "broker" | "nameserver", number: number): Placed {
    const { zones = [], wrapperOf, programOf = () => cliPath } = this.#options;
    const name = `${kind}-${number}`;
    const zone = zones[(number - 1) % zones.length] ?? "";
    const host = this.#hostOf(kind, number);
    const folder = join(this.#folder, name);
    const own = [process.execPath, programOf(name), kind, "--config", this.#configPath(name)] as const;
    const command = [...(wrapperOf?.(name, folder) ?? []), ...own] as const;
    const member = new Member({ name, zone, folder, command, serves: (signal) => isReady(host, signal) });
    return { name, number, zone, host, folder, member };
  }

  async #start({ name, number, zone, host, folder: dataDir, member }: Placed): Promise<void> {
    await mkdir(dataDir);
    const config = name.startsWith("broker")
      ? this.#brokerConfig(host, zone, dataDir)
      : this.#nameServerConfig(host, number, dataDir);
    await writeFile(this.#configPath(name), JSON.stringify(config));
    member.start();
  }

  #brokerConfig(host: string, zone: string, dataDir: string): object {
    const { client: grpcPort, peer: peerPort, http: httpPort, nameServer } = clusterPorts;
    const store = { segmentBytes: this.#options.segmentBytes ?? 4 * 2 ** 20 };
    const nameServers = this.nameServers.map((server) => `${server.host}:${nameServer}`);
    return { dataDir, host, zone, grpcPort, peerPort, httpPort, nameServers, store };
  }

  #nameServerConfig(host: string, self: number, dataDir: string): object {
    const { nameServer: grpcPort, nameServerPeer: peerPort, http: httpPort } = clusterPorts;
    const { shards, brokers, nameServers, settings = {} } = this.#options;
    const members = numbers(nameServers).map((id) => ({
      id,
      host: this.#hostOf("nameserver", id),
      peerPort,
      grpcPort,
    }));
    const replicationFactor = Math.min(brokers, 3);
    return { dataDir, host, grpcPort, peerPort, httpPort, self, members, shards, replicationFactor, settings };
  }

  #hostOf(kind: "broker" | "nameserver", number: number): string {
    return `127.0.${this.#network}.${kind === "broker" ? number : nameServersFrom - 1 + number}`;
  }

  /** Beside the data folder, which may be mounted over or taken away. */
  #configPath(name: string): string {
    return join(this.#folder, `${name}.json`);
  }
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

async function isReady(host: string, signal: AbortSignal): Promise<boolean> {
  const response = await fetch(`http://${host}:${clusterPorts.http}/readyz`, { signal });
  await response.arrayBuffer();
  return response.ok;
}

/** Networks 20 to 254 of loopback addresses. */
const networks = { first: 20, count: 235 };

/**
 * A network of loopback addresses on whose first broker's port nobody listens. Each process looks from another one on, so that two that look at the
 * same time do not find the same.
 *
 * @throws {Error} when there is none
 */
async function freeNetwork(): Promise<number> {
  for (let nth = 0; nth < networks.count; nth += 1) {
    const network = networks.first + ((process.pid + nth) % networks.count);
    if (await isFree(`127.0.${network}.1`)) return network;
  }
  throw new Error("every network of loopback addresses is in use");
}

function isFree(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(clusterPorts.client, host, () => server.close(() => resolve(true)));
  });
}
