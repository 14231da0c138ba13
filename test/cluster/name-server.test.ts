/**
 * A name server's process, with its log on disk and its ports open, and the client that brokers use.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { openRemoteMetadata, openViewCache, type RemoteMetadata, type ViewCache } from "@saturnmq/metadata-client";
import {
  type NameServerConfigInput,
  parseNameServerConfig,
  type RunningNameServer,
  startNameServer,
} from "@saturnmq/nameserver";
import { type ClusterView, emptyReport, errorCodeTrailer, featureLevelKnown } from "@saturnmq/wire";
import { LoyalBrokers } from "../support/loyal-brokers.ts";
import { quietHost } from "../support/network/quiet-ports.ts";

// A busy machine takes its time.
jest.setTimeout(60_000);

let folder = "";
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturnmq-cluster-"));
});

afterEach(async () => {
  for (const open of closing.splice(0).reverse()) await open.close();
  await rm(folder, { recursive: true });
});

async function start(fields: NameServerConfigInput = {}): Promise<RunningNameServer> {
  const defaults = { dataDir: folder, host: quietHost, grpcPort: 0, httpPort: 0, shards: 6, shutdownMs: 200 };
  const config = parseNameServerConfig({ ...defaults, ...fields });
  const server = await startNameServer(config, {
    logger: silentLogger,
    fatal: (error) => {
      throw error;
    },
  });
  closing.push(server);
  return server;
}

function connect(port: number, cache?: ViewCache): RemoteMetadata {
  const world = { clock: systemClock(), timers: systemTimers(), random: new SeededRandom(2), logger: silentLogger };
  const kept = cache === undefined ? {} : { cache };
  const remote = openRemoteMetadata({ endpoints: [`${quietHost}:${port}`], callMs: 1_500, ...world, ...kept });
  closing.push(remote);
  return remote;
}

/** Resolves with the first view that fits. */
function viewWhere(remote: RemoteMetadata, fits: (view: ClusterView) => boolean): Promise<ClusterView> {
  const done = new AbortController();
  return new Promise((resolve) => {
    remote.watch((view) => {
      if (!fits(view)) return;
      done.abort();
      resolve(view);
    }, done.signal);
  });
}

const newcomer = {
  ...{ brokerId: 0, incarnation: 1, clusterId: undefined, process: "p", zone: "a", featureLevel: featureLevelKnown },
  ...{ address: "b1:8081", peerAddress: "b1:8083" },
};
const orders = { requestId: "r1", name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined } as const;

describe("a name server's process", () => {
  test("registers a broker, places its shards, makes topics, and shows all of it", async () => {
    const server = await start({ replicationFactor: 1 });
    const remote = connect(server.grpcPort);
    expect(await remote.register(newcomer)).toEqual({ brokerId: 1, clusterId: server.clusterId });
    expect(await remote.heartbeat(1, 1, emptyReport)).toEqual({ transfers: [] });
    expect(await remote.createTopic(orders)).toMatchObject({ id: 1, name: "orders" });
    const view = await viewWhere(remote, ({ topics }) => topics.has("orders"));
    expect(view).toMatchObject({ clusterId: server.clusterId, shardCount: 6, replicationFactor: 1 });
    expect(view.shards).toHaveLength(6);
    expect(view.brokers.get(1)).toMatchObject({ state: "up", address: "b1:8081", peerAddress: "b1:8083" });
    expect(view.handleKeys[0]).toHaveLength(32);
  });

  test("keeps everything over a restart; a client finds it again and misses nothing", async () => {
    const first = await start({ replicationFactor: 1 });
    const remote = connect(first.grpcPort);
    await remote.register(newcomer);
    await remote.createTopic(orders);
    await viewWhere(remote, ({ topics }) => topics.has("orders"));
    await first.close();
    const refused = remote.createTopic({ ...orders, requestId: "r2", name: "while-down" });
    await expect(refused).rejects.toMatchObject({ code: "HA_NOT_AVAILABLE" });
    const second = await start({ grpcPort: first.grpcPort });
    expect(second.clusterId).toBe(first.clusterId);
    await remote.deleteTopic({ requestId: "r3", name: "orders" });
    await remote.createTopic({ ...orders, requestId: "r4", name: "later" });
    const view = await viewWhere(remote, ({ topics }) => topics.has("later"));
    expect([...view.topics.values()]).toMatchObject([{ id: 2, name: "later" }]);
    expect(view.shardCount).toBe(6);
  });

  test("is not needed by who has kept its view on disk, and goes on from there when it is back", async () => {
    const keep = (): Promise<ViewCache> => openViewCache(nodeDisk(), folder, silentLogger);
    const first = await start({ replicationFactor: 1 });
    const before = connect(first.grpcPort, await keep());
    await before.register(newcomer);
    await before.createTopic(orders);
    const seen = await viewWhere(before, ({ topics }) => topics.has("orders"));
    await before.close();
    await first.close();
    const after = connect(first.grpcPort, await keep());
    expect(await viewWhere(after, () => true)).toEqual(seen);
    await start({ grpcPort: first.grpcPort });
    await after.deleteTopic({ requestId: "r9", name: "orders" });
    await viewWhere(after, ({ topics }) => !topics.has("orders"));
  });

  test("takes a broker down that is silent, and up again when it is heard", async () => {
    const server = await start({ replicationFactor: 1, settings: { brokerLeaseMs: 1_000 } });
    const remote = connect(server.grpcPort);
    await remote.register(newcomer);
    await remote.heartbeat(1, 1, emptyReport);
    await viewWhere(remote, ({ brokers }) => brokers.get(1)?.state === "down");
    await remote.heartbeat(1, 1, emptyReport);
    await viewWhere(remote, ({ brokers }) => brokers.get(1)?.state === "up");
  });

  test("says over HTTP that it lives, is ready, and how it is", async () => {
    const { httpPort } = await start();
    const get = (path: string): Promise<Response> => fetch(`http://${quietHost}:${httpPort}${path}`);
    expect(await (await get("/healthz")).json()).toEqual({ status: "alive" });
    expect(await (await get("/readyz")).json()).toEqual({ status: "ready" });
    expect(await (await get("/metrics")).text()).toMatch(/saturnmq_nameserver_leads 1\n/);
    expect((await get("/other")).status).toBe(404);
  });
});

describe("who may not be a broker", () => {
  test("a second process on a copy of the disk, while the first one sends; a restart may", async () => {
    const server = await start({ replicationFactor: 1, settings: { brokerLeaseMs: 1_000 } });
    const one = connect(server.grpcPort);
    const { brokerId, clusterId } = await one.register(newcomer);
    await one.heartbeat(brokerId, 1, emptyReport);
    const twin = connect(server.grpcPort);
    const again = { ...newcomer, brokerId, clusterId, incarnation: 2, process: "q" };
    const refused = twin.register(again).then(
      () => "admitted",
      (error: unknown) => (error as Error).message,
    );
    // The heartbeat that proves that the first one lives comes while the other waits.
    let heard: string | undefined;
    void refused.then((message) => {
      heard = message;
    });
    while (heard === undefined) await one.heartbeat(brokerId, 1, emptyReport);
    expect(heard).toContain(`broker ${brokerId} runs already, as incarnation 1`);
    await one.close();
    expect(await twin.register({ ...again, incarnation: 3, process: "r" })).toEqual({ brokerId, clusterId });
  });

  test("one whose machine is gone may come back after a lease, though its stream was never closed", async () => {
    const server = await start({ replicationFactor: 1, settings: { brokerLeaseMs: 1_000 } });
    const gone = connect(server.grpcPort);
    const { brokerId, clusterId } = await gone.register(newcomer);
    await gone.heartbeat(brokerId, 1, emptyReport);
    const back = connect(server.grpcPort);
    const again = { ...newcomer, brokerId, clusterId, incarnation: 2, process: "q" };
    expect(await back.register(again)).toEqual({ brokerId, clusterId });
    await expect(gone.heartbeat(brokerId, 1, emptyReport)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test.each<{ who: string; fields: object; says: string }>([
    {
      who: "of another cluster",
      fields: { brokerId: 1, incarnation: 5, clusterId: "other" },
      says: "belongs to cluster other",
    },
    { who: "on an old copy of its disk", fields: { brokerId: 1, incarnation: 1 }, says: "old copy" },
    { who: "nobody has seen", fields: { brokerId: 8, incarnation: 5 }, says: "never registered" },
  ])("one $who is refused", async ({ fields, says }) => {
    const server = await start({ replicationFactor: 1 });
    const remote = connect(server.grpcPort);
    await remote.register(newcomer);
    const refused = remote.register({ ...newcomer, process: "q", ...fields });
    await expect(refused).rejects.toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining(says) });
  });
});

describe("brokers that come and go", () => {
  test("from 3 to 4 and back: what drains is emptied, leaders stay even, and it is forgotten for ever", async () => {
    const server = await start({ shards: 12, settings: { brokerLeaseMs: 1_000 } });
    const remote = connect(server.grpcPort);
    const brokers = new LoyalBrokers();
    const until = async (fits: (view: ClusterView) => boolean): Promise<ClusterView> => {
      let found: ClusterView | undefined;
      void viewWhere(remote, fits).then((view) => {
        found = view;
      });
      while (found === undefined) await brokers.beat(remote.view);
      return found;
    };
    const settled = ({ shards }: ClusterView): boolean =>
      shards.every((shard) => shard.revision === shard.target.revision);
    const leads = ({ shards }: ClusterView, ids: readonly number[]): readonly number[] =>
      ids.map((id) => shards.filter(({ leaderHint, term }) => leaderHint === id && term > 0).length);

    for (const zone of ["a", "b", "c"]) await brokers.start(connect(server.grpcPort), zone);
    await until((view) => view.shards.length === 12 && String(leads(view, [1, 2, 3])) === "4,4,4");
    await expect(remote.administer("DrainBroker", { requestId: "d0", broker: 3 })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });

    expect(await brokers.start(connect(server.grpcPort), "c")).toBe(4);
    await until((view) => settled(view) && String(leads(view, [1, 2, 3, 4])) === "3,3,3,3");
    const safety = await remote.administer("RestartSafety", { broker: 1 });
    expect(safety).toEqual({ safe: true, shards: [] });

    await remote.administer("DrainBroker", { requestId: "d1", broker: 3 });
    await until((view) => settled(view) && view.shards.every(({ voters }) => !voters.includes(3)));
    const drained = await remote.administer("DescribeCluster", {});
    expect(drained.brokers.find(({ id }) => id === 3)).toMatchObject({ state: "draining", replicas: 0, leads: 0 });
    await expect(remote.administer("ForgetBroker", { requestId: "f1", broker: 3 })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: expect.stringContaining("still runs"),
    });
    brokers.stop(3);
    await until(({ brokers: rows }) => rows.get(3)?.state === "down");
    await remote.administer("ForgetBroker", { requestId: "f2", broker: 3 });
    const last = await until(({ brokers: rows }) => rows.get(3)?.state === "removed");
    expect(leads(last, [1, 2, 4])).toEqual([4, 4, 4]);
  });

  test("what a dead one held goes to another after the grace time", async () => {
    const settings = { brokerLeaseMs: 1_000, replacementGraceMs: 500, moveBudget: 2 };
    const server = await start({ shards: 6, replicationFactor: 2, settings });
    const remote = connect(server.grpcPort);
    const brokers = new LoyalBrokers();
    for (const zone of ["a", "b", "c"]) await brokers.start(connect(server.grpcPort), zone);
    await brokers.beat(undefined);
    await viewWhere(remote, ({ shards }) => shards.length === 6);
    await brokers.beat(remote.view);
    brokers.stop(2);
    const moved = new AbortController();
    void viewWhere(remote, ({ shards }) => shards.every(({ voters }) => !voters.includes(2))).then(() => moved.abort());
    while (!moved.signal.aborted) await brokers.beat(remote.view);
    expect(remote.view?.brokers.get(2)?.state).toBe("down");
  });
});

describe("folders and settings that do not fit", () => {
  test("a broker's folder is refused, at whatever place", async () => {
    const dataDir = join(folder, "data");
    const server = await start({ dataDir });
    await server.close();
    closing.length = 0;
    await writeFile(join(dataDir, "nameserver", "role"), "broker\n");
    await expect(start({ dataDir })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("the data of a broker"),
    });
    await expect(start({ dataDir: join(dataDir, "nameserver") })).rejects.toMatchObject({
      message: expect.stringContaining("name the folder around it"),
    });
  });

  test("another cluster's folder, and an empty one where a cluster should be, are refused", async () => {
    await expect(start({ clusterId: "c-1" })).rejects.toMatchObject({
      message: expect.stringContaining("holds nothing"),
    });
    const server = await start();
    await server.close();
    await expect(start({ clusterId: "c-1" })).rejects.toMatchObject({
      message: expect.stringContaining("clusterId says c-1"),
    });
    expect((await start({ clusterId: server.clusterId })).clusterId).toBe(server.clusterId);
  });

  test("a port in use is named", async () => {
    const { grpcPort, httpPort } = await start();
    const dataDir = join(folder, "other");
    await expect(start({ dataDir, grpcPort })).rejects.toMatchObject({
      message: expect.stringContaining(`port ${grpcPort} on`),
    });
    await expect(start({ dataDir, httpPort })).rejects.toMatchObject({
      message: expect.stringContaining(`port ${httpPort} on`),
    });
  });
});

describe("broken calls", () => {
  const whole = (bytes: Buffer): Buffer => bytes;

  function unary(client: Client, path: string, bytes: Buffer): Promise<ServiceError> {
    return new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null): void =>
        error === null ? reject(new Error("it was answered")) : resolve(error);
      client.makeUnaryRequest(path, whole, whole, bytes, new Metadata(), { deadline: Date.now() + 5_000 }, answered);
    });
  }

  test("garbage, unknown calls and calls for brokers get clear answers; streams that lie are ended", async () => {
    const server = await start({ replicationFactor: 1 });
    using clients = new DisposableStack();
    const client = clients.adopt(new Client(`${quietHost}:${server.grpcPort}`, credentials.createInsecure()), (open) =>
      open.close(),
    );
    // Text, and a sub-message, that are longer than what follows.
    const garbage = Buffer.from([26, 200, 97, 50, 200, 97]);
    const register = await unary(client, "/saturnmq.v1.Metadata/Register", garbage);
    expect(register.code).toBe(status.INVALID_ARGUMENT);
    expect(register.metadata.get(errorCodeTrailer)).toEqual(["BAD_REQUEST"]);
    expect((await unary(client, "/saturnmq.v1.Metadata/Nothing", garbage)).code).toBe(status.UNIMPLEMENTED);
    const peek = await unary(client, "/saturnmq.v1.Admin/PeekMessage", Buffer.alloc(0));
    expect(peek).toMatchObject({ code: status.UNIMPLEMENTED, details: expect.stringContaining("ask any broker") });

    const ended = (
      write: (bytes: Buffer) => void,
      failed: Promise<ServiceError>,
      bytes: Buffer,
    ): Promise<ServiceError> => {
      write(bytes);
      return failed;
    };
    const open = () => {
      const stream = client.makeBidiStreamRequest("/saturnmq.v1.Metadata/Heartbeat", whole, whole);
      stream.on("data", () => undefined);
      const failed = new Promise<ServiceError>((resolve) =>
        stream.on("error", (error) => resolve(error as ServiceError)),
      );
      return { write: (bytes: Buffer) => void stream.write(bytes), failed };
    };
    const noise = open();
    expect((await ended(noise.write, noise.failed, Buffer.from([50, 200, 97]))).code).toBe(status.INVALID_ARGUMENT);
    // Broker 77, incarnation 1: nobody.
    const nobody = open();
    expect((await ended(nobody.write, nobody.failed, Buffer.from([8, 1, 16, 77, 24, 1]))).code).toBe(
      status.PERMISSION_DENIED,
    );
    // The server goes on.
    expect(await connect(server.grpcPort).register(newcomer)).toMatchObject({ brokerId: 1 });
  });

  test("a watcher that has seen another cluster, or more than there is, is refused", async () => {
    const server = await start();
    using clients = new DisposableStack();
    const client = clients.adopt(new Client(`${quietHost}:${server.grpcPort}`, credentials.createInsecure()), (open) =>
      open.close(),
    );
    const refused = (clusterId: string, revision: number): Promise<ServiceError> => {
      const name = Buffer.from(clusterId);
      const bytes = Buffer.concat([Buffer.from([10, name.length]), name, Buffer.from([16, revision])]);
      const stream = client.makeServerStreamRequest("/saturnmq.v1.Metadata/Watch", whole, whole, bytes);
      return new Promise((resolve) =>
        stream.on("error", (error) => resolve(error as ServiceError)).on("data", () => undefined),
      );
    };
    expect(await refused("other", 1)).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining("of cluster"),
    });
    expect(await refused(server.clusterId, 99)).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining("old copy"),
    });
  });
});
