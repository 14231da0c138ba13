import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../src/free-port.ts";
import type { Address } from "../src/generator/rpc-client.ts";
import type { ServerProcesses } from "../src/measure.ts";
import { cacheFolder, durabilities, NotAvailable, PeerProcess, runTool } from "./peer.ts";

/** Flushing of Apache RocketMQ: ASYNC_FLUSH is its default. */
const flushes = { D0: "ASYNC_FLUSH", D1: "SYNC_FLUSH" } as const;

/** What the JVM must open for RocketMQ on JDK 17. */
const jvmOptions = [
  ...["java.nio", "sun.nio.ch", "java.lang", "jdk.internal.ref"].map(
    (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
  ),
  ...["sun.nio.ch", "jdk.internal.ref"].map((name) => `--add-exports=java.base/${name}=ALL-UNNAMED`),
  "-Dio.netty.tryReflectionSetAccessible=true",
];
const pom = fileURLToPath(new URL("./pom.xml", import.meta.url));
const version = "5.3.3";

/** Apache RocketMQ on loopback: a name server, and broker and gRPC proxy in one process (local mode). */
export class Apache implements AsyncDisposable {
  readonly name = `Apache ${version}`;
  readonly durability: string;
  readonly address: Address;
  readonly processes: ServerProcesses;
  readonly #nameServer: PeerProcess;
  readonly #broker: PeerProcess;
  readonly #home: string;
  readonly #nameServerAddress: string;

  private constructor(
    level: keyof typeof flushes,
    [nameServer, broker]: readonly [PeerProcess, PeerProcess],
    { home, grpcPort, nameServerAddress }: Setup,
  ) {
    this.durability = durabilities[level];
    this.address = { host: "127.0.0.1", port: grpcPort };
    this.processes = { pids: [broker.pid], folder: home };
    this.#nameServer = nameServer;
    this.#broker = broker;
    this.#home = home;
    this.#nameServerAddress = nameServerAddress;
  }

  /** Installs the jars if they are not there, and starts with an empty store in `folder`. @throws {NotAvailable} */
  static async start(level: keyof typeof flushes, folder: string): Promise<Apache> {
    await install();
    const setup = await prepare(join(folder, `apache-${level}`), flushes[level]);
    const nameServer = await startJava("org.apache.rocketmq.namesrv.NamesrvStartup", {
      setup,
      heap: "256m",
      ready: /boot success/,
      more: ["-c", join(setup.home, "conf/namesrv.conf")],
    });
    try {
      const broker = await startJava("org.apache.rocketmq.proxy.ProxyStartup", {
        setup,
        heap: "2g",
        ready: /rocketmq-proxy startup successfully/,
        more: [
          ...["-pm", "local", "-n", setup.nameServerAddress],
          ...["-bc", join(setup.home, "conf/broker.conf"), "-pc", join(setup.home, "conf/rmq-proxy.json")],
        ],
      });
      return new Apache(level, [nameServer, broker], setup);
    } catch (error) {
      await nameServer.stop();
      throw error;
    }
  }

  /** Makes a topic of eight queues for NORMAL messages. */
  async createTopic(name: string): Promise<void> {
    const admin = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "org.apache.rocketmq.tools.command.MQAdminStartup"];
    const create = ["updateTopic", "-n", this.#nameServerAddress, "-c", "DefaultCluster", "-t", name];
    const options = ["-r", "8", "-w", "8", "-a", "+message.type=NORMAL"];
    const out = await runTool("java", [...classPath(this.#home), ...admin, ...create, ...options], {
      timeoutMs: 60_000,
      env: { ...process.env, ROCKETMQ_HOME: this.#home },
    });
    if (!out.includes("success")) throw new NotAvailable(`Apache did not make a topic: ${out.slice(-400)}`);
    await sleep(3_000); // Until the proxy's cache of routes knows it.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.stop();
    await this.#nameServer.stop();
    await rm(this.#home, { recursive: true, force: true });
  }
}

function jarsFolder(): string {
  return join(cacheFolder, `apache-${version}`);
}

async function install(): Promise<void> {
  if (existsSync(jarsFolder())) return;
  await mkdir(cacheFolder, { recursive: true });
  const partial = `${jarsFolder()}.partial`;
  await rm(partial, { recursive: true, force: true });
  const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${partial}`];
  await runTool("mvn", ["-B", "-q", "-ntp", "-f", pom, ...goal], { timeoutMs: 600_000 });
  await rename(partial, jarsFolder());
}

type Setup = { readonly home: string; readonly grpcPort: number; readonly nameServerAddress: string };

async function prepare(home: string, flush: string): Promise<Setup> {
  await rm(home, { recursive: true, force: true });
  await mkdir(join(home, "conf"), { recursive: true });
  const [grpcPort, remotingPort, nameServerPort] = [await freePort(), await freePort(), await freePort()];
  const brokerPort = await brokerPorts();
  const nameServerAddress = `127.0.0.1:${nameServerPort}`;
  const store = join(home, "store");
  const broker = [
    "brokerClusterName=DefaultCluster",
    "brokerName=broker-a",
    "brokerId=0",
    "brokerIP1=127.0.0.1",
    "brokerIP2=127.0.0.1",
    `listenPort=${brokerPort}`,
    `namesrvAddr=${nameServerAddress}`,
    "brokerRole=ASYNC_MASTER",
    `flushDiskType=${flush}`,
    `storePathRootDir=${store}`,
    `storePathCommitLog=${join(store, "commitlog")}`,
    "autoCreateTopicEnable=true",
    "autoCreateSubscriptionGroup=true",
    "defaultTopicQueueNums=8",
    "diskMaxUsedSpaceRatio=95",
  ];
  const proxy = {
    rocketMQClusterName: "DefaultCluster",
    proxyClusterName: "DefaultCluster",
    grpcServerPort: grpcPort,
    remotingListenPort: remotingPort,
    useEndpointPortFromRequest: true,
  };
  await writeFile(join(home, "conf/broker.conf"), `${broker.join("\n")}\n`);
  await writeFile(join(home, "conf/rmq-proxy.json"), JSON.stringify(proxy));
  await writeFile(join(home, "conf/namesrv.conf"), `listenPort=${nameServerPort}\n`);
  return { home, grpcPort, nameServerAddress };
}

/** The broker also listens on the ports two below and one above its own. */
async function brokerPorts(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port > 1_026 && port < 65_535) return port;
  }
}

function classPath(home: string): readonly string[] {
  return [...jvmOptions, `-Duser.home=${home}`, "-cp", join(jarsFolder(), "*")];
}

type JavaOptions = {
  readonly setup: Setup;
  readonly heap: string;
  readonly ready: RegExp;
  readonly more: readonly string[];
};

async function startJava(main: string, { setup, heap, ready, more }: JavaOptions): Promise<PeerProcess> {
  const { home, nameServerAddress } = setup;
  const memory = [
    `-Xms${heap}`,
    `-Xmx${heap}`,
    "-XX:MaxDirectMemorySize=2g",
    "-XX:+UseG1GC",
    "-XX:-OmitStackTraceInFastThrow",
  ];
  const disk = [
    "-Drocketmq.broker.diskSpaceWarningLevelRatio=0.98",
    "-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.97",
  ];
  const env = { ROCKETMQ_HOME: home, RMQ_PROXY_HOME: home, NAMESRV_ADDR: nameServerAddress };
  const logPath = join(home, `${main.split(".").at(-1) ?? "java"}.log`);
  return PeerProcess.start("java", [...memory, ...disk, ...classPath(home), main, ...more], { logPath, ready, env });
}
