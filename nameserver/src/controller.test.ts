import { afterEach, describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemTimers } from "@saturnmq/kit/node";
import { ManualTime } from "@saturnmq/kit/testing";
import { MemoryLogStore } from "@saturnmq/store";
import { emptyReport } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { ClusterService } from "./cluster-service.ts";
import { runController } from "./controller.ts";
import { Presence } from "./domain/presence.ts";
import { brokerInfo, defaultSettings } from "./domain/state.ts";
import { type OpenMetadata, openMetadata } from "./open-metadata.ts";
import { loneNameServer, membershipOf, newcomer } from "./testing/cluster-state.ts";

const opened: OpenMetadata[] = [];
const ending: AbortController[] = [];

afterEach(async () => {
  for (const end of ending.splice(0)) end.abort();
  for (const metadata of opened.splice(0)) await metadata.close();
});

/** A name server with one broker that was heard once, at a time that stands still. */
async function withBroker() {
  const time = new ManualTime();
  const store = new MemoryLogStore({ identity: { clusterId: "cluster-a", replicaId: 1, incarnation: 1 } });
  const world = { clock: time, random: new SeededRandom(1), logger: silentLogger };
  const fatal = (error: unknown): void => {
    throw error;
  };
  const metadata = await openMetadata(store, {
    ...{ ...world, timers: systemTimers(), turn: immediateTurn, members: [1], transport: undefined, fatal },
    ...{ shards: 3, replicationFactor: 1, settings: defaultSettings, newHandleKey: () => new Uint8Array(32) },
  });
  opened.push(metadata);
  const presence = new Presence();
  const end = new AbortController();
  ending.push(end);
  runController({ ...world, timers: time, metadata: metadata.metadata, presence, fatal }, end.signal);
  const about = { ...world, timers: time, presence, membership: membershipOf([loneNameServer]) };
  const cluster = new ClusterService({ metadata: metadata.metadata, ...about });
  await cluster.register(newcomer);
  await cluster.heartbeat(1, 1, emptyReport);
  const condition = (): string => brokerInfo(metadata.metadata.state.brokers.get(1)!).state;
  /** Lets rounds come due one by one, each to its end. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      time.advance(50);
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { cluster, time, pass, condition, end };
}

describe("the controller", () => {
  test("ends a lease that was not renewed, and not before", async () => {
    const { pass, condition } = await withBroker();
    await pass(2_900);
    expect(condition()).toBe("up");
    await pass(600);
    expect(condition()).toBe("down");
  });

  test("leaves a broker up that goes on sending", async () => {
    const { cluster, pass, condition } = await withBroker();
    for (let second = 0; second < 10; second += 1) {
      await pass(1_000);
      await cluster.heartbeat(1, 1, emptyReport);
      expect(condition()).toBe("up");
    }
  });

  test("takes nobody's lease when it was itself that stood still", async () => {
    const { cluster, time, pass, condition } = await withBroker();
    // As after SIGSTOP, or a machine that slept: the clock has moved on, nothing ran, and heartbeats wait in the socket.
    time.advance(60_000);
    await pass(2_000);
    expect(condition()).toBe("up");
    await cluster.heartbeat(1, 1, emptyReport);
    await pass(2_500);
    expect(condition()).toBe("up");
    await pass(1_000);
    expect(condition()).toBe("down");
  });

  test("does nothing any more once it was ended", async () => {
    const { pass, condition, end } = await withBroker();
    end.abort();
    await pass(10_000);
    expect(condition()).toBe("up");
  });
});
