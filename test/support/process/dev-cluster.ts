import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Address, ClusterTools, cliPath, clusterPorts, Member } from "@saturnmq/bench";

const servesWithinMs = 60_000;
const stopsWithinMs = 30_000;

/** `saturnmq dev` with a cluster of three brokers and three name servers: processes of its own, which it starts again when they end, behind its balancer. */
export class DevCluster implements AsyncDisposable {
  readonly address: Address;
  readonly tools = new ClusterTools(() => `${this.address.host}:${this.address.port}`);
  readonly member: Member;
  readonly #folder: string;
  readonly #network: number;

  private constructor(folder: string, network: number, grpcPort: number) {
    this.#folder = folder;
    this.#network = network;
    this.address = { host: "127.0.0.1", port: grpcPort };
    const size = ["--brokers", "3", "--nameservers", "3", "--zones", "a,b,c", "--network", String(network)];
    const place = ["--data", folder, "--grpc-port", String(grpcPort), "--restart-after", "1s"];
    this.member = new Member({
      ...{ name: "dev", zone: "", folder, serves: () => this.#serves() },
      command: [process.execPath, cliPath, "dev", ...place, ...size],
    });
  }

  /** Starts it and waits until every member serves. Only for use inside a namespace: its addresses are taken. */
  static async start({
    network,
    grpcPort,
  }: {
    readonly network: number;
    readonly grpcPort: number;
  }): Promise<DevCluster> {
    const cluster = new DevCluster(await mkdtemp(join(tmpdir(), "saturnmq-dev-cluster-")), network, grpcPort);
    cluster.member.start();
    await cluster.member.whenServing(servesWithinMs);
    return cluster;
  }

  hostOf(broker: number): string {
    return `127.0.${this.#network}.${broker}`;
  }

  /** SIGKILL to one of its members, `broker-2`. It is started again by `dev`. @throws {Error} when it does not run */
  async kill(name: string): Promise<void> {
    process.kill(await this.#pidOf(name), "SIGKILL");
  }

  /** Whether all brokers serve, and the balancer listens. */
  async #serves(): Promise<boolean> {
    const ready = [1, 2, 3].map((broker) => isReady(this.hostOf(broker)));
    return (await Promise.all(ready)).every(Boolean) && (await listens(this.address));
  }

  async #pidOf(name: string): Promise<number> {
    const config = join(this.#folder, name, "config.json");
    for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (line.includes(config)) return Number(pid);
    }
    throw new Error(`${name} does not run`);
  }

  async stop(): Promise<void> {
    await this.member.terminate(stopsWithinMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.member[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function isReady(host: string): Promise<boolean> {
  const response = await fetch(`http://${host}:${clusterPorts.http}/readyz`, { signal: AbortSignal.timeout(1_000) });
  await response.arrayBuffer();
  return response.ok;
}

function listens({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
