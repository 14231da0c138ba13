import { describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { MemoryLogStore } from "@saturnmq/store";
import { type ClusterView, emptyReport, featureLevelKnown } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { ClusterService } from "./cluster-service.ts";
import { Presence } from "./domain/presence.ts";
import { defaultSettings } from "./domain/state.ts";
import { EmbeddedMetadata } from "./embedded-metadata.ts";
import { openMetadata } from "./open-metadata.ts";
import { groupRequest, loneNameServer, membershipOf, newcomer, topicRequest } from "./testing/cluster-state.ts";

/** A level of a program to come. */
const tooHigh = featureLevelKnown + 1;

const identity = { clusterId: "cluster-a", replicaId: 1, incarnation: 1 };

async function open(store: MemoryLogStore, fatal: (error: unknown) => void = fails) {
  const { metadata, close } = await openMetadata(store, {
    clock: systemClock(),
    timers: systemTimers(),
    turn: immediateTurn,
    random: new SeededRandom(1),
    logger: silentLogger,
    shards: 3,
    ...{ replicationFactor: 1, settings: defaultSettings, members: [1], transport: undefined },
    newHandleKey: () => new Uint8Array(32).fill(7),
    fatal,
  });
  const world = {
    clock: systemClock(),
    timers: systemTimers(),
    membership: membershipOf([{ ...loneNameServer, featureLevel: tooHigh }]),
  };
  const service = new EmbeddedMetadata(new ClusterService({ metadata, presence: new Presence(), ...world }));
  return { service, close, [Symbol.asyncDispose]: close };
}

function fails(error: unknown): void {
  throw error;
}

function watched(service: EmbeddedMetadata, signal = new AbortController().signal): ClusterView[] {
  const views: ClusterView[] = [];
  service.watch((view) => views.push(view), signal);
  return views;
}

describe("the replicated metadata", () => {
  test("makes the cluster at its first start, once", async () => {
    const store = new MemoryLogStore({ identity });
    const first = await open(store);
    const [made] = watched(first.service);
    expect(made).toMatchObject({ clusterId: "cluster-a", shardCount: 3, revision: 1 });
    expect(made?.handleKeys).toEqual([new Uint8Array(32).fill(7)]);
    await first.close();
    await using second = await open(store);
    expect(watched(second.service)).toEqual([made]);
  });

  test("answers a change only when it is durable, and after watchers know it", async () => {
    let hold: Promise<void> = Promise.resolve();
    const store = new MemoryLogStore({ identity, write: () => hold });
    await using opened = await open(store);
    const views = watched(opened.service);
    const held = Promise.withResolvers<undefined>();
    hold = held.promise;
    let answered = false;
    const created = opened.service.createTopic(topicRequest()).finally(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(answered).toBe(false);
    expect(views).toHaveLength(1);
    held.resolve(undefined);
    void created.then(() => expect(views.at(-1)?.topics.has("orders")).toBe(true));
    expect((await created).id).toBe(1);
    expect(views.at(-1)?.revision).toBe(2);
  });

  test("decides calls that come at once one after another", async () => {
    await using opened = await open(new MemoryLogStore({ identity }));
    const twice = await Promise.allSettled([
      opened.service.createTopic(topicRequest({ requestId: "a" })),
      opened.service.createTopic(topicRequest({ requestId: "b" })),
    ]);
    expect(twice.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    const names = Array.from({ length: 50 }, (_, nth) => `t${nth}`);
    const topics = await Promise.all(
      names.map((name) => opened.service.createTopic(topicRequest({ requestId: name, name }))),
    );
    expect(topics.map(({ id }) => id)).toEqual(names.map((_, nth) => nth + 2));
  });

  test("everything that was answered is there after a power cut", async () => {
    const store = new MemoryLogStore({ identity });
    const opened = await open(store);
    await opened.service.register(newcomer);
    await opened.service.heartbeat(1, 1, emptyReport);
    await opened.service.createTopic(topicRequest());
    await opened.service.createGroup(groupRequest({ requestId: "g1", from: "latest" }));
    await opened.service.createTopic(topicRequest({ requestId: "r3", name: "gone" }));
    await opened.service.deleteTopic({ requestId: "r4", name: "gone" });
    const before = watched(opened.service).at(-1);
    const left = store.crash();
    await using again = await open(left);
    expect(watched(again.service).at(-1)).toEqual(before);
    // The topic that was made, and that of the group's dead letters.
    expect(before?.topics.size).toBe(2);
    await opened.close();
  });

  test("starts from its checkpoint and lets the log before it go", async () => {
    const store = new MemoryLogStore({ identity, segmentBytes: 4_096, checkpointBytes: 8_192 });
    const opened = await open(store);
    for (let nth = 0; nth < 120; nth += 1) {
      await opened.service.createTopic(topicRequest({ requestId: `r${nth}`, name: `t${nth}` }));
    }
    const before = watched(opened.service).at(-1);
    await opened.close();
    const checkpoint = await store.readCheckpoint(0);
    expect(checkpoint?.index).toBeGreaterThan(50);
    expect(store.view(0).firstIndex).toBeGreaterThan(50);
    await using again = await open(store);
    expect(watched(again.service).at(-1)).toEqual(before);
    expect((await again.service.createTopic(topicRequest({ requestId: "n", name: "n" }))).id).toBe(121);
  });

  test("refuses with what the domain says, and goes on", async () => {
    await using opened = await open(new MemoryLogStore({ identity }));
    await expect(opened.service.deleteTopic({ requestId: "r", name: "absent" })).rejects.toMatchObject({
      code: "TOPIC_NOT_FOUND",
    });
    await expect(opened.service.deleteGroup({ requestId: "r", name: "absent" })).rejects.toMatchObject({
      code: "CONSUMER_GROUP_NOT_FOUND",
    });
    expect((await opened.service.createTopic(topicRequest())).id).toBe(1);
  });

  test("tells a watcher nothing after it went away", async () => {
    await using opened = await open(new MemoryLogStore({ identity }));
    const leave = new AbortController();
    const views = watched(opened.service, leave.signal);
    leave.abort();
    await opened.service.createTopic(topicRequest());
    expect(views).toHaveLength(1);
    expect(watched(opened.service, leave.signal)).toEqual([]);
  });

  test("after it closed, calls are refused retryably", async () => {
    const opened = await open(new MemoryLogStore({ identity }));
    await opened.close();
    await expect(opened.service.createTopic(topicRequest())).rejects.toMatchObject({ code: "HA_NOT_AVAILABLE" });
  });

  test("a feature level that the program does not know ends it, also at the next start", async () => {
    const store = new MemoryLogStore({ identity });
    const failure = Promise.withResolvers<unknown>();
    const opened = await open(store, failure.resolve);
    opened.service.administer("RaiseFeatureLevel", { requestId: "r", level: tooHigh }).catch(() => undefined);
    const why = {
      name: "UnknownFormatError",
      message: expect.stringContaining(`feature level ${tooHigh}, this program knows ${featureLevelKnown}`),
    };
    expect(await failure.promise).toMatchObject(why);
    await opened.close();
    const again = Promise.withResolvers<unknown>();
    open(store, again.resolve).catch(again.resolve);
    expect(await again.promise).toMatchObject(why);
  });

  test("a failed write is fatal and answers nothing as done", async () => {
    let broken = false;
    const store = new MemoryLogStore({
      identity,
      write: async () => {
        if (broken) throw new Error("disk gone");
      },
    });
    const fatal: unknown[] = [];
    const opened = await open(store, (error) => fatal.push(error));
    broken = true;
    let answered = false;
    void opened.service.createTopic(topicRequest()).then(
      () => {
        answered = true;
      },
      () => undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(fatal).toHaveLength(1);
    expect(answered).toBe(false);
  });
});
