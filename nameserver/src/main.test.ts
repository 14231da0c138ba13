import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { type ClusterView, emptyReport } from "@saturnmq/wire";
import { type NameServer, openNameServer } from "./embedded.ts";
import { groupRequest, newcomer, topicRequest } from "./testing/cluster-state.ts";

let folder = "";
let drawn = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturnmq-nameserver-"));
  drawn = 0;
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

function open(): Promise<NameServer> {
  return openNameServer({
    folder: join(folder, "nameserver"),
    disk: nodeDisk(),
    clock: systemClock(),
    timers: systemTimers(),
    random: new SeededRandom(1),
    logger: silentLogger,
    shards: 3,
    secret: (length) => new Uint8Array(length).fill(9),
    newClusterId: () => {
      drawn += 1;
      return `cluster-${drawn}`;
    },
    fatal: (error) => {
      throw error;
    },
  });
}

function viewOf({ metadata }: NameServer): ClusterView | undefined {
  let seen: ClusterView | undefined;
  const once = new AbortController();
  metadata.watch((view) => {
    seen = view;
  }, once.signal);
  once.abort();
  return seen;
}

describe("a name server on disk", () => {
  test("makes one cluster and keeps it over restarts", async () => {
    const first = await open();
    expect(first.clusterId).toBe("cluster-1");
    expect(await first.metadata.register(newcomer)).toEqual({ brokerId: 1, clusterId: "cluster-1" });
    await first.metadata.heartbeat(1, 1, emptyReport);
    await first.metadata.createTopic(topicRequest());
    await first.metadata.createGroup(groupRequest({ requestId: "g" }));
    const before = viewOf(first);
    await first.close();
    const second = await open();
    expect(second.clusterId).toBe("cluster-1");
    expect(drawn).toBe(1);
    expect(viewOf(second)).toEqual(before);
    expect(before?.shards).toHaveLength(3);
    await second.close();
  });

  test("takes a broker whose first start was cut short for the same, at whatever port", async () => {
    const server = await open();
    await server.metadata.register({ ...newcomer, address: "127.0.0.1:1111" });
    expect((await server.metadata.register({ ...newcomer, address: "127.0.0.1:2222" })).brokerId).toBe(1);
    await server.close();
  });

  test("lets nobody else have its folder while it is open", async () => {
    const server = await open();
    await expect(open()).rejects.toThrow(/nameserver/);
    await server.close();
    await (await open()).close();
  });
});
