/** What a real cluster does with strangers at its peer port, copied disks, folders of the other role, and drains that must not be. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { cliPath, clusterPorts, Member, ProcessCluster } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";

// Four processes, on a machine that runs other tests too.
jest.setTimeout(240_000);

const repeated = 20;
const endsWithinMs = 60_000;
let cluster: ProcessCluster;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturnmq-bad-input-"));
  cluster = await ProcessCluster.start({ brokers: 3, nameServers: 1, zones: ["a", "b", "c"], shards: 2 });
  await cluster.tools.cli("topic", "create", "orders", "--queues", "2");
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const broker = (number: number) => cluster.broker(`broker-${number}`);

/** Says `bytes` to the first broker's peer port, from an address of its own; resolves to how much was answered once the broker has closed. */
async function say(bytes: Uint8Array, localAddress: string): Promise<number> {
  const socket = connect({ host: broker(1).host, port: clusterPorts.peer, localAddress });
  let answered = 0;
  socket.on("data", (chunk: Uint8Array) => {
    answered += chunk.length;
  });
  socket.on("error", () => undefined);
  socket.write(bytes);
  await once(socket, "close");
  return answered;
}

/** A hello that is sound but for what is given, laid out as packages/peer/src/greeting.ts says. */
async function hello(fields: {
  readonly clusterId?: string;
  readonly id?: number;
  readonly version?: number;
}): Promise<Buffer> {
  const target = await cluster.tools.idAt(broker(1).host);
  const { id = await cluster.tools.idAt(broker(2).host), version = 1 } = fields;
  const clusterId = fields.clusterId ?? (await ownClusterId());
  const bytes = Buffer.alloc(52 + clusterId.length + 4);
  bytes.write("SMQP", "latin1");
  bytes.writeUInt16LE(bytes.length, 4);
  bytes.set([1, 1], 6);
  bytes.writeUInt16LE(version, 8);
  bytes.writeUInt16LE(version, 10);
  bytes.set([1, 0], 12);
  bytes.writeUInt32LE(id, 14);
  bytes.writeUInt32LE(target, 18);
  bytes.writeUInt32LE(2, 22);
  for (const [at, value] of [1n, 2n, 3n].entries()) bytes.writeBigUInt64LE(value, 26 + 8 * at);
  bytes.writeUInt16LE(clusterId.length, 50);
  bytes.write(clusterId, 52, "latin1");
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

/** Log lines of the first broker that name the address. */
function linesAbout(localAddress: string): readonly { readonly message: string; readonly reason?: string }[] {
  const lines = broker(1).member.output.split("\n");
  return lines.flatMap((line) => (line.includes(localAddress) ? [JSON.parse(line) as { message: string }] : []));
}

async function ownClusterId(): Promise<string> {
  const { clusterId: id } = JSON.parse(await cluster.tools.cli("cluster", "status", "--output", "json")) as {
    readonly clusterId: string;
  };
  return id;
}

/** A broker's process with its configuration, but for some of it. */
async function brokerLike(
  number: number,
  changed: { readonly dataDir: string; readonly host: string },
): Promise<Member> {
  const config = JSON.parse(await readFile(`${broker(number).folder}.json`, "utf8")) as object;
  const path = join(folder, `${changed.host}.json`);
  await writeFile(path, JSON.stringify({ ...config, ...changed }));
  const command = [process.execPath, cliPath, "broker", "--config", path] as const;
  const member = new Member({ name: "other", zone: "", folder: changed.dataDir, command, serves: async () => false });
  member.start();
  return member;
}

describe("a stranger at the peer port of a broker", () => {
  test.each<{ what: string; from: string; bytes: () => Promise<Uint8Array> | Uint8Array; says: string }>([
    {
      ...{ what: "random bytes", from: "127.1.0.1", says: "not a peer's greeting" },
      bytes: () => Buffer.from("a3f10b77c2d95e08".repeat(8), "hex"),
    },
    {
      ...{ what: "a web browser", from: "127.1.0.2", says: "not a peer's greeting" },
      bytes: () => Buffer.from("GET / HTTP/1.1\r\nHost: broker\r\n\r\n"),
    },
    {
      ...{
        what: "a greeting as long as its length field can say",
        from: "127.1.0.3",
        says: "a greeting of 65535 bytes",
      },
      bytes: () => Buffer.from("534d5150ffff", "hex"),
    },
    {
      ...{ what: "a greeting whose check fails", from: "127.1.0.4", says: "the check of a greeting fails" },
      bytes: async () => (await hello({})).with(20, 9),
    },
    {
      ...{ what: "a broker of another cluster", from: "127.1.0.5", says: "wrongCluster" },
      bytes: () => hello({ clusterId: "another" }),
    },
    {
      ...{ what: "an id that the cluster never gave", from: "127.1.0.6", says: "unknownId" },
      bytes: () => hello({ id: 4_000_000_000 }),
    },
    {
      ...{ what: "a protocol of the far future", from: "127.1.0.7", says: "version" },
      bytes: () => hello({ version: 65_535 }),
    },
  ])("$what: is closed, and logged once however often it comes", async ({ from, bytes, says }) => {
    const said = await bytes();
    for (let times = 0; times < repeated; times += 1) expect(await say(said, from)).toBeLessThan(1_024);
    const lines = linesAbout(from);
    expect(lines.map((line) => JSON.stringify(line))).toEqual([expect.stringContaining(says)]);
  });

  test("none of them disturbed anything: every shard has all its voters, and sends go on", async () => {
    expect((await cluster.tools.shards()).map(({ voters }) => voters.length)).toEqual([3, 3]);
    expect((await cluster.tools.brokers()).map(({ state }) => state)).toEqual(["up", "up", "up"]);
    const args = [cliPath, "produce", "orders", "--endpoint", `${broker(1).host}:${clusterPorts.client}`];
    const { status, stderr } = spawnSync(process.execPath, args, {
      input: "one\ntwo\n",
      encoding: "utf8",
      timeout: 60_000,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});

describe("a broker's process that must not start", () => {
  test("on a copy of a disk whose owner runs: the copy ends and says why, the owner goes on", async () => {
    const dataDir = join(folder, "copy");
    const owner = defined(broker(2).member.pid, "the owner");
    await cp(broker(2).folder, dataDir, { recursive: true, filter: (path) => !path.includes("/lock-") });
    await using copy = await brokerLike(2, { dataDir, host: broker(2).host.replace(/\d+$/, "77") });
    const { code } = await copy.ended(endsWithinMs);
    const id = await cluster.tools.idAt(broker(2).host);
    expect(copy.output).toContain(`broker ${id} runs already`);
    expect(copy.output).toContain("this process has a copy of its data folder");
    expect(code).toBe(1);
    expect(broker(2).member.pid).toBe(owner);
    expect((await cluster.tools.brokers()).find(({ address }) => address.startsWith(broker(2).host))?.state).toBe("up");
  });

  test("on a name server's folder: it is named as one, and nothing in it changes", async () => {
    const dataDir = join(folder, "name-server");
    await cp(defined(cluster.nameServers[0], "name server").folder, dataDir, {
      recursive: true,
      filter: (path) => !path.includes("/lock-"),
    });
    const before = (await readdir(dataDir, { recursive: true })).sort();
    expect(before.some((path) => path.endsWith("identity"))).toBe(true);
    await using wrong = await brokerLike(3, { dataDir, host: broker(3).host.replace(/\d+$/, "78") });
    const { code } = await wrong.ended(endsWithinMs);
    expect(wrong.output).toContain("holds the data of a name server: give the broker a folder of its own");
    expect(code).toBe(1);
    expect((await readdir(dataDir, { recursive: true })).sort()).toEqual(before);
  });
});

describe("a drain that must not be", () => {
  test("of a broker that there is none: is named", async () => {
    await expect(cluster.tools.cli("broker", "drain", "99")).rejects.toThrow(/broker 99/);
  });

  test("below the replication factor: is refused with the reason, and nothing moves", async () => {
    await expect(cluster.tools.cli("broker", "drain", "1")).rejects.toThrow(
      /broker 1 cannot be drained: each shard has 3 voters .* only 2 others are up .* add brokers/s,
    );
    expect((await cluster.tools.brokers()).map(({ state }) => state)).toEqual(["up", "up", "up"]);
  });
});
