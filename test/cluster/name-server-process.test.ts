/** `saturnmq nameserver` as a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { cliPath } from "@saturnmq/bench";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { openRemoteMetadata, type RemoteMetadata } from "@saturnmq/metadata-client";
import { featureLevelKnown } from "@saturnmq/wire";

const patienceMs = 60_000;
const newcomer = {
  ...{ brokerId: 0, incarnation: 1, clusterId: undefined, process: "p", zone: "a", featureLevel: featureLevelKnown },
  ...{ address: "b1:8081", peerAddress: "b1:8083" },
};
const orders = { requestId: "r1", name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined } as const;

let folder = "";
const children: ChildProcess[] = [];
const remotes: RemoteMetadata[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturnmq-nameserver-"));
});

afterEach(async () => {
  for (const remote of remotes.splice(0)) await remote.close();
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "close");
  }
  await rm(folder, { recursive: true });
});

type Running = { readonly child: ChildProcess; readonly port: number; readonly ended: Promise<[number | null]> };

function spawned(settings: object, env: Readonly<Record<string, string>> = {}) {
  const file = join(folder, "nameserver.json");
  const lines = { out: "", err: "" };
  const starting = writeFile(file, JSON.stringify(settings)).then(() => {
    const child = spawn(process.execPath, [cliPath, "nameserver", "--config", file], {
      env: { ...process.env, ...env },
    });
    children.push(child);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      lines.out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      lines.err += text;
    });
    return child;
  });
  return { starting, lines };
}

const loopback = { host: "127.0.0.1", grpcPort: 0, httpPort: 0, replicationFactor: 1, shards: 6 };

/** Starts one and waits until it says that it is ready. */
async function start(settings: object = {}): Promise<Running> {
  const { starting, lines } = spawned({ dataDir: join(folder, "data"), ...loopback, ...settings });
  const child = await starting;
  const ended = once(child, "close") as Promise<[number | null]>;
  for (;;) {
    const ready = /brokers and tools at 127\.0\.0\.1:(\d+),/.exec(lines.out);
    if (ready !== null) return { child, port: Number(ready[1]), ended };
    if (child.exitCode !== null) throw new Error(`it ended: ${lines.err}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs one that does not come to serve. */
async function refused(settings: object, env: Readonly<Record<string, string>> = {}) {
  const { starting, lines } = spawned(settings, env);
  const [code] = (await once(await starting, "close")) as [number | null];
  return { code, err: lines.err };
}

function connect(port: number): RemoteMetadata {
  const world = { clock: systemClock(), timers: systemTimers(), random: new SeededRandom(1), logger: silentLogger };
  const remote = openRemoteMetadata({ endpoints: [`127.0.0.1:${port}`], ...world });
  remotes.push(remote);
  return remote;
}

describe("saturnmq nameserver", () => {
  test(
    "serves, is killed, keeps what it answered, and ends cleanly when it is told to",
    async () => {
      const first = await start();
      const remote = connect(first.port);
      const { clusterId } = await remote.register(newcomer);
      expect(await remote.createTopic(orders)).toMatchObject({ id: 1 });
      first.child.kill("SIGKILL");
      await first.ended;
      const second = await start({ grpcPort: first.port });
      expect(await remote.createTopic(orders)).toMatchObject({ id: 1 });
      const again = { ...newcomer, brokerId: 1, incarnation: 2, clusterId, process: "q" };
      expect(await remote.register(again)).toEqual({ brokerId: 1, clusterId });
      second.child.kill("SIGTERM");
      expect(await second.ended).toEqual([0, null]);
    },
    patienceMs,
  );

  test.each<{ what: string; settings: object; env?: Record<string, string>; code: number; says: string }>([
    { what: "an unknown setting", settings: { shardz: 3 }, code: 2, says: "shardz" },
    { what: "a wrong one in the environment", settings: {}, env: { SATURNMQ_SELF: "x" }, code: 2, says: "self" },
    {
      what: "two members",
      settings: {
        members: [
          { id: 1, host: "a" },
          { id: 2, host: "b" },
        ],
      },
      code: 2,
      says: "1, 3 or 5",
    },
    { what: "no object", settings: [], code: 2, says: "one JSON object" },
  ])(
    "$what ends it with a clear line",
    async ({ settings, env = {}, code, says }) => {
      const outcome = await refused(settings, env);
      expect(outcome).toEqual({ code, err: expect.stringContaining(says) });
      expect(outcome.err.trimEnd().split("\n")).toHaveLength(1);
    },
    patienceMs,
  );

  test(
    "does not start on a broker's data",
    async () => {
      const dataDir = join(folder, "data");
      await mkdir(join(dataDir, "broker"), { recursive: true });
      await writeFile(join(dataDir, "broker", "identity"), "saturnmq-data 1\n");
      const outcome = await refused({ dataDir, ...loopback });
      expect(outcome).toEqual({ code: 1, err: expect.stringContaining("holds the data of a broker") });
    },
    patienceMs,
  );
});
