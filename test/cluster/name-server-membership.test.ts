/**
 * A name server group whose members change while it is used: folders on disk, ports on this machine, as processes have them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { openRemoteMetadata, type RemoteMetadata } from "@saturnmq/metadata-client";
import { parseNameServerConfig, type RunningNameServer, startNameServer } from "@saturnmq/nameserver";
import type { NameServerDescription } from "@saturnmq/wire";
import { quietHost, quietPorts } from "../support/network/quiet-ports.ts";

const patienceMs = 90_000;
const stepMs = 30_000;
const places = 8;

let folder = "";
let addresses: { host: string; grpcPort: number; peerPort: number }[] = [];
let requests = 0;
let failures: unknown[] = [];
const running = new Map<number, RunningNameServer>();
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturnmq-members-"));
  const ports = await quietPorts(2 * places);
  addresses = Array.from({ length: places }, (_, at) => {
    return { host: quietHost, grpcPort: ports[at] ?? 0, peerPort: ports[places + at] ?? 0 };
  });
  requests = 0;
  failures = [];
});

afterEach(async () => {
  for (const open of closing.splice(0).reverse()) await open.close();
  for (const server of running.values()) await server.close();
  running.clear();
  await rm(folder, { recursive: true });
});

const memberOf = (id: number) => ({ id, ...(addresses[id - 1] ?? { host: "", grpcPort: 0, peerPort: 0 }) });

/** @param ids the members that it is configured with */
async function start(self: number, ids: readonly number[]): Promise<void> {
  const { grpcPort, peerPort } = memberOf(self);
  const config = parseNameServerConfig({
    ...{ dataDir: join(folder, String(self)), host: quietHost, grpcPort, peerPort, httpPort: 0, self },
    ...{ members: ids.map(memberOf), shards: 6, replicationFactor: 1, shutdownMs: 200 },
  });
  // Whoever is removed is told to end by those that stay.
  const fatal = (error: unknown): void => void failures.push(`${self}: ${String(error)}`);
  running.set(self, await startNameServer(config, { logger: silentLogger, fatal }));
}

const startAll = (some: readonly number[], ids: readonly number[]): Promise<unknown> =>
  Promise.all(some.map((id) => start(id, ids)));

async function stop(id: number): Promise<void> {
  await running.get(id)?.close();
  running.delete(id);
}

/** As a broker that is told of these name servers. */
function connect(ids: readonly number[]): RemoteMetadata {
  const world = { clock: systemClock(), timers: systemTimers(), random: new SeededRandom(2), logger: silentLogger };
  const endpoints = ids.map((id) => `${quietHost}:${memberOf(id).grpcPort}`);
  const remote = openRemoteMetadata({ endpoints, callMs: 15_000, ...world });
  closing.push(remote);
  return remote;
}

function requestId(): string {
  requests += 1;
  return `r${requests}`;
}

const add = (remote: RemoteMetadata, id: number) =>
  whenSettled(() => remote.administer("AddNameServer", { requestId: requestId(), ...memberOf(id) }));
const remove = (remote: RemoteMetadata, id: number) =>
  whenSettled(() => remote.administer("RemoveNameServer", { requestId: requestId(), id }));
const topic = (remote: RemoteMetadata, name: string) =>
  remote.createTopic({ requestId: requestId(), name, type: "NORMAL", queues: 1, retentionMs: undefined });

/** Asks again while the change before is under way. */
async function whenSettled<Reply>(change: () => Promise<Reply>): Promise<Reply> {
  const endMs = Date.now() + stepMs;
  for (;;) {
    try {
      return await change();
    } catch (error) {
      const underWay = (error as { readonly code?: string }).code === "FAILED_PRECONDITION" && Date.now() < endMs;
      if (!underWay || !String(error).includes("under way")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const partsOf = (servers: readonly NameServerDescription[]): string =>
  servers.map(({ id, part, up }) => `${id} ${part}${up ? "" : " down"}`).join(", ");

/** Waits until the group is so. @param wanted like `1 votes, 4 listens` */
async function until(remote: RemoteMetadata, ...wanted: readonly string[]): Promise<readonly NameServerDescription[]> {
  const endMs = Date.now() + stepMs;
  for (let last = ""; ; ) {
    const { nameServers } = await remote.administer("DescribeCluster", {});
    last = partsOf(nameServers);
    if (wanted.includes(last)) return nameServers;
    if (Date.now() > endMs)
      throw new Error(`never ${wanted.join(" or ")}; last ${last}; failures ${failures.join("; ")}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("a name server group", () => {
  test(
    "goes from three to five and back while it is used, through the loss of one, and a leader that is removed",
    async () => {
      await startAll([1, 2, 3], [1, 2, 3]);
      const remote = connect([1, 2, 3]);
      let made = 0;
      const stopped = new AbortController();
      const using = (async () => {
        for (; !stopped.signal.aborted; made += 1) await topic(remote, `topic-${made}`);
      })();
      await until(remote, "1 votes, 2 votes, 3 votes");
      await add(remote, 4);
      await until(remote, "1 votes, 2 votes, 3 votes, 4 awaited down");
      await start(4, [1, 2, 3, 4, 5]);
      await until(remote, "1 votes, 2 votes, 3 votes, 4 listens");
      await add(remote, 5);
      await start(5, [1, 2, 3, 4, 5]);
      await until(remote, "1 votes, 2 votes, 3 votes, 4 votes, 5 votes");

      const lost = 2;
      await stop(lost);
      await until(remote, "1 votes, 2 votes down, 3 votes, 4 votes, 5 votes");
      await remove(remote, lost);
      const four = await until(remote, "1 votes, 3 votes, 4 votes, 5 listens");
      const leader = four.find(({ leads }) => leads)?.id ?? 0;
      await remove(remote, leader);
      const left = [1, 3, 4, 5].filter((id) => id !== leader);
      await until(remote, left.map((id) => `${id} votes`).join(", "));

      stopped.abort();
      await using;
      expect(made).toBeGreaterThan(5);
      // All of it is known by those that are left, started anew with the lists that they began with.
      await stop(leader);
      for (const id of left) await stop(id);
      await Promise.all(left.map((id) => start(id, id < 4 ? [1, 2, 3] : [1, 2, 3, 4, 5])));
      const { topics } = await connect(left).administer("DescribeCluster", {});
      expect(topics).toBe(made);
    },
    patienceMs,
  );

  test(
    "grows from one to three, and the one shrinks to another one: who knew the first finds the last",
    async () => {
      await start(1, [1]);
      const remote = connect([1]);
      remote.watch(() => undefined, new AbortController().signal);
      await topic(remote, "first");
      await add(remote, 2);
      await add(remote, 3);
      await startAll([2, 3], [1, 2, 3]);
      await until(remote, "1 votes, 2 votes, 3 votes");
      await remove(remote, 1);
      // Two cannot both vote; who leads goes on doing so.
      const oneOfTwo = ["2 votes, 3 listens", "2 listens, 3 votes"];
      await until(remote, ...oneOfTwo);
      await stop(1);
      await until(remote, ...oneOfTwo);
      expect((await topic(remote, "second")).id).toBe(2);
    },
    patienceMs,
  );

  test(
    "takes a member that lost its disk back under a new id only",
    async () => {
      await startAll([1, 2, 3], [1, 2, 3]);
      const remote = connect([1, 2]);
      await topic(remote, "orders");
      await stop(3);
      await rm(join(folder, "3"), { recursive: true });
      await expect(start(3, [1, 2, 3])).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringMatching(/votes are lost/),
      });
      await expect(start(4, [1, 2, 4])).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringMatching(/nameserver add 4/),
      });
      await add(remote, 4);
      await start(4, [1, 2, 4]);
      await until(remote, "1 votes, 2 votes, 3 votes down, 4 listens");
      await remove(remote, 3);
      await until(remote, "1 votes, 2 votes, 4 votes");
      await stop(4);
      await rm(join(folder, "4"), { recursive: true });
      await expect(start(4, [1, 2, 4])).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringMatching(/votes are lost/),
      });
    },
    patienceMs,
  );

  test(
    "lets go whom it must not need: never a majority that is not up, never everybody",
    async () => {
      await startAll([1, 2, 3], [1, 2, 3]);
      const remote = connect([1, 2, 3]);
      await topic(remote, "orders");
      await stop(3);
      await until(remote, "1 votes, 2 votes, 3 votes down");
      const refused = { code: "FAILED_PRECONDITION", message: expect.stringMatching(/no majority is up/) };
      // Two stay, of which the older votes alone; what is refused must not be.
      await expect(remove(remote, 9)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await add(remote, 4);
      await expect(add(remote, 4)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
      await expect(add(remote, 3)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
      await remove(remote, 4);
      await until(remote, "1 votes, 2 votes, 3 votes down");
      await expect(add(remote, 4)).rejects.toMatchObject({
        code: "BAD_REQUEST",
        message: expect.stringMatching(/never given again/),
      });
      await remove(remote, 1);
      await until(remote, "2 votes, 3 listens down");
      await expect(remove(remote, 2)).rejects.toMatchObject(refused);
    },
    patienceMs,
  );
});
