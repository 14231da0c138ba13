import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { type ClusterView, emptyReport, type ViewDelta } from "@saturnmq/wire";
import { openRemoteMetadata, type RemoteMetadata, type RemoteMetadataOptions } from "./remote-metadata.ts";
import { ScriptedServer } from "./testing/scripted-server.ts";
import { openViewCache } from "./view-cache.ts";

const opened: RemoteMetadata[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((remote) => remote.close()));
});

function connect(endpoints: readonly string[], options: Partial<RemoteMetadataOptions> = {}): RemoteMetadata {
  const world = { clock: systemClock(), timers: systemTimers(), random: new SeededRandom(1), logger: silentLogger };
  const remote = openRemoteMetadata({ endpoints, ...world, attemptMs: 300, callMs: 2_000, ...options });
  opened.push(remote);
  return remote;
}

const request = { requestId: "r", name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined } as const;
const orders = { id: 7, name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined, createdAtMs: 1 } as const;

const first: ClusterView = {
  ...{ revision: 5, clusterId: "c", shardCount: 3, replicationFactor: 1, featureLevel: 1, shards: [] },
  settings: { brokerLeaseMs: 3_000, replacementGraceMs: 1, moveBudget: 1, transferBudget: 1 },
  topics: new Map(),
  groups: new Map(),
  brokers: new Map(),
  handleKeys: [new Uint8Array(32).fill(3)],
  nameServers: [],
};

function delta(fromRevision: number, revision: number, topic: string): ViewDelta {
  return {
    ...{ fromRevision, revision, topics: [{ ...orders, name: topic }], topicsGone: [], groups: [], groupsGone: [] },
    ...{ shards: [], brokers: [], featureLevel: undefined, settings: undefined, nameServers: undefined },
  };
}

/** What a watcher is told, and a way to wait for it. */
function watched(remote: RemoteMetadata) {
  const views: ClusterView[] = [];
  let wake = (): void => undefined;
  remote.watch((view) => {
    views.push(view);
    wake();
  }, new AbortController().signal);
  const until = async (done: () => boolean): Promise<void> => {
    while (!done())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { views, until: (revision: number) => until(() => views.some((view) => view.revision >= revision)) };
}

const closedPort = "127.0.0.1:1";

describe("a call", () => {
  test("goes to the one that a follower names, and stays there", async () => {
    using follower = await ScriptedServer.start();
    using leader = await ScriptedServer.start();
    follower.refusal = { code: "HA_NOT_AVAILABLE", leader: leader.address };
    const remote = connect([follower.address]);
    expect(await remote.createTopic(request)).toEqual(orders);
    expect(await remote.createTopic(request)).toEqual(orders);
    expect(follower.calls).toHaveLength(1);
    expect(leader.calls).toHaveLength(2);
  });

  test.each<{ what: string; refusal: ScriptedServer["refusal"] }>([
    { what: "does not lead and knows nobody", refusal: { code: "HA_NOT_AVAILABLE" } },
    { what: "says nothing", refusal: "silence" },
    { what: "is shut by a proxy", refusal: { grpc: status.UNAVAILABLE } },
    { what: "names a nonsense leader", refusal: { code: "HA_NOT_AVAILABLE", leader: "no address" } },
    { what: "names one that is gone", refusal: { code: "HA_NOT_AVAILABLE", leader: closedPort } },
  ])("is taken to the next one when one $what", async ({ refusal }) => {
    using broken = await ScriptedServer.start();
    using leader = await ScriptedServer.start();
    broken.refusal = refusal;
    expect(await connect([broken.address, leader.address]).createTopic(request)).toEqual(orders);
  });

  test("passes over one that is not there", async () => {
    using leader = await ScriptedServer.start();
    expect(await connect([closedPort, leader.address]).createTopic(request)).toEqual(orders);
  });

  test("brings a refusal back as it was said, and asks nobody else", async () => {
    using leader = await ScriptedServer.start();
    using other = await ScriptedServer.start();
    leader.refusal = { code: "ALREADY_EXISTS", message: "topic orders exists already" };
    const refused = connect([leader.address, other.address]).createTopic(request);
    await expect(refused).rejects.toMatchObject({ code: "ALREADY_EXISTS", message: "topic orders exists already" });
    expect(other.calls).toEqual([]);
  });

  test("ends in time when nobody leads, after a bounded number of attempts", async () => {
    using one = await ScriptedServer.start();
    using two = await ScriptedServer.start();
    one.refusal = { code: "HA_NOT_AVAILABLE", leader: two.address };
    two.refusal = { code: "HA_NOT_AVAILABLE", leader: one.address };
    const startedMs = performance.now();
    const refused = connect([one.address, two.address], { callMs: 700 }).createTopic(request);
    await expect(refused).rejects.toMatchObject({
      code: "HA_NOT_AVAILABLE",
      message: expect.stringContaining("no name server leads"),
    });
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    // Pauses grow from 25 ms: without them there would be hundreds.
    expect(one.calls.length + two.calls.length).toBeLessThan(100);
  });

  test("finds a leader that comes while it is made", async () => {
    using server = await ScriptedServer.start();
    server.refusal = { code: "HA_NOT_AVAILABLE" };
    const created = connect([server.address]).createTopic(request);
    while (server.calls.length < 2) await new Promise((resolve) => setImmediate(resolve));
    server.refusal = undefined;
    expect(await created).toEqual(orders);
  });

  test("is refused when the process stops", async () => {
    using server = await ScriptedServer.start();
    server.refusal = "silence";
    const remote = connect([server.address], { attemptMs: 50 });
    const refused = remote.createTopic(request);
    const closed = remote.close();
    await expect(refused).rejects.toMatchObject({ code: "HA_NOT_AVAILABLE" });
    await closed;
  });
});

describe("heartbeats", () => {
  test("go over one stream and bring what is asked for", async () => {
    using leader = await ScriptedServer.start();
    const remote = connect([leader.address]);
    for (let nth = 0; nth < 3; nth += 1)
      expect(await remote.heartbeat(4, 9, emptyReport)).toEqual({ transfers: [{ shard: 3, to: 2 }] });
    const sequences = leader.calls.map(({ request: beat }) => (beat as { sequence: number }).sequence);
    expect(sequences).toEqual([1, 2, 3]);
  });

  test("move to another name server when theirs falls silent or stops to lead", async () => {
    using one = await ScriptedServer.start();
    using two = await ScriptedServer.start();
    const remote = connect([one.address, two.address]);
    await remote.heartbeat(4, 9, emptyReport);
    one.refusal = "silence";
    await remote.heartbeat(4, 9, emptyReport);
    expect(two.calls).toHaveLength(1);
    one.refusal = undefined;
    two.refusal = { code: "HA_NOT_AVAILABLE", leader: one.address };
    await remote.heartbeat(4, 9, emptyReport);
    expect(one.calls).toHaveLength(3);
  });

  test("bring a refusal back, so that a broker which is not wanted stops", async () => {
    using leader = await ScriptedServer.start();
    leader.refusal = { code: "FORBIDDEN", message: "broker 4 was removed" };
    await expect(connect([leader.address]).heartbeat(4, 9, emptyReport)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("a watch", () => {
  test("shows the first view and each change, to each watcher", async () => {
    using leader = await ScriptedServer.start();
    leader.greeting = () => [{ kind: "view", view: first }];
    const remote = connect([leader.address]);
    const one = watched(remote);
    await one.until(5);
    leader.tell({ kind: "delta", delta: delta(5, 6, "a") });
    await one.until(6);
    const late = watched(remote);
    leader.tell({ kind: "delta", delta: delta(6, 8, "b") });
    await late.until(8);
    expect(one.views.map(({ revision }) => revision)).toEqual([5, 6, 8]);
    expect(late.views.map(({ revision }) => revision)).toEqual([6, 8]);
    expect([...(remote.view?.topics.keys() ?? [])]).toEqual(["a", "b"]);
  });

  test("goes on at another name server from the revision that was seen last", async () => {
    using one = await ScriptedServer.start();
    using two = await ScriptedServer.start();
    one.greeting = () => [{ kind: "view", view: first }];
    two.greeting = ({ revision }) => [{ kind: "delta", delta: delta(revision, 9, "b") }];
    const seen = watched(connect([one.address]));
    await seen.until(5);
    one.refusal = { code: "HA_NOT_AVAILABLE", leader: two.address };
    one.dropWatchers(one.refusal);
    await seen.until(9);
    expect(two.calls).toEqual([{ call: "Watch", request: { clusterId: "c", revision: 5 } }]);
  });

  test("begins anew with everything when a change was missed", async () => {
    using leader = await ScriptedServer.start();
    leader.greeting = ({ clusterId }) =>
      clusterId === undefined && leader.calls.length > 1
        ? [{ kind: "view", view: { ...first, revision: 12 } }]
        : [{ kind: "view", view: first }];
    const seen = watched(connect([leader.address]));
    await seen.until(5);
    leader.tell({ kind: "delta", delta: delta(7, 8, "missed") });
    await seen.until(12);
    expect(seen.views.map(({ revision }) => revision)).toEqual([5, 12]);
  });

  test("never goes back", async () => {
    using leader = await ScriptedServer.start();
    leader.greeting = () => [
      { kind: "view", view: first },
      { kind: "view", view: { ...first, revision: 3 } },
    ];
    const remote = connect([leader.address]);
    const seen = watched(remote);
    await seen.until(5);
    while (leader.calls.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(seen.views.map(({ revision }) => revision)).toEqual([5]);
  });

  test("a refused one keeps what is known and is told of once", async () => {
    using leader = await ScriptedServer.start();
    const errors: string[] = [];
    const logger = { ...silentLogger, error: (_: object, message: string) => errors.push(message) };
    leader.refusal = { code: "FORBIDDEN", message: "its data is an old copy" };
    watched(connect([leader.address], { logger }));
    while (leader.calls.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(errors).toEqual(["a name server refuses the watch"]);
  });
});

describe("the kept view", () => {
  test("is there at once when no name server is, and the watch goes on from it", async () => {
    const disk = new MemoryDisk();
    await disk.makeFolder();
    using leader = await ScriptedServer.start();
    leader.greeting = () => [{ kind: "view", view: first }];
    const remote = connect([leader.address], { cache: await openViewCache(disk, "/data", silentLogger) });
    await watched(remote).until(5);
    await remote.close();
    const alone = connect([closedPort], { cache: await openViewCache(disk, "/data", silentLogger) });
    expect(watched(alone).views).toEqual([first]);
    using later = await ScriptedServer.start();
    const back = connect([later.address], { cache: await openViewCache(disk, "/data", silentLogger) });
    later.greeting = ({ revision }) => [{ kind: "delta", delta: delta(revision, 6, "a") }];
    await watched(back).until(6);
    expect(later.calls).toEqual([{ call: "Watch", request: { clusterId: "c", revision: 5 } }]);
  });
});
