import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import type { Address } from "@saturnmq/bench";
import { parseBrokerConfig, type RunningBroker, startBroker } from "@saturnmq/broker";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { type NameServer, openNameServer } from "@saturnmq/nameserver/embedded";
import { checkHistory } from "../support/check/check-history.ts";
import type { Anomaly } from "../support/check/findings.ts";
import { Producers } from "../support/load/producers.ts";
import { readTopic } from "../support/load/reading.ts";
import { Recorder } from "../support/load/recorder.ts";
import { SeededBodies } from "../support/load/seeded-bodies.ts";

// The whole broker in this process, on a disk that forgets what was not synced. The checker is that of kill9; here it must find loss when the
// broker is told not to sync, or it is worth nothing.

const patienceMs = 60_000;
const mib = 2 ** 20;
const topic = "power";
const host = "127.0.0.1";
const lives = 3;

describe("power cuts of a broker under load", () => {
  test.each([1, 2, 3])(
    "lose nothing that was acknowledged (seed %i)",
    async (seed) => {
      const { anomalies, acknowledged } = await liveAndDie(seed, false);
      expect(anomalies).toEqual([]);
      expect(acknowledged).toBeGreaterThan(100);
    },
    patienceMs,
  );

  test(
    "lose acknowledged messages when syncing is switched off, and the checker says so",
    async () => {
      const { anomalies } = await liveAndDie(4, true);
      const lost = anomalies.filter(({ kind }) => kind === "lostWrite" || kind === "unseen");
      expect(lost.length).toBeGreaterThan(0);
    },
    patienceMs,
  );
});

async function liveAndDie(
  seed: number,
  unsafeNoSync: boolean,
): Promise<{ anomalies: readonly Anomaly[]; acknowledged: number }> {
  const random = new SeededRandom(seed);
  const disk = new MemoryDisk({ seed });
  const dataDir = await mkdtemp(join(tmpdir(), "saturnmq-power-")); // Holds the TLS files only.
  const bodies = new SeededBodies(seed, 2_048);
  const recorder = new Recorder();
  const producers = new Producers({ topic, count: 8, bodies, recorder });
  for (let life = 0; life < (unsafeNoSync ? 2 : lives); life += 1) {
    // The first life is always a good one: a log whose very beginning is gone would be refused, and nothing could be read back.
    const process = await Process.start(disk, dataDir, unsafeNoSync && life > 0);
    if (life === 0) await process.createTopic();
    await loadUntilPowerCut(process, disk, producers, 200 + random.below(300));
    // A random part of what was not synced would mostly be refused as damage, too; all of it gone looks like a log that ended earlier.
    disk.restart(unsafeNoSync ? "lost" : "some");
  }
  const last = await Process.start(disk, dataDir, false);
  const reading = await readTopic(last.address, { topic, group: "afterwards" }, bodies);
  await last.end();
  await rm(dataDir, { recursive: true, force: true });
  const { anomalies } = checkHistory({ sends: recorder.sends, readings: [reading] });
  return { anomalies, acknowledged: recorder.counts.ok };
}

async function loadUntilPowerCut(
  process: Process,
  disk: MemoryDisk,
  producers: Producers,
  afterMs: number,
): Promise<void> {
  const ended = new AbortController();
  const running = producers.run([process.address], ended.signal);
  await sleep(afterMs);
  disk.cutPower();
  ended.abort();
  await process.end();
  await running;
}

/** What `saturnmq dev` runs, in this process and on a disk in memory. */
class Process {
  readonly #nameServer: NameServer;
  readonly #broker: RunningBroker;

  private constructor(nameServer: NameServer, broker: RunningBroker) {
    this.#nameServer = nameServer;
    this.#broker = broker;
  }

  static async start(disk: MemoryDisk, dataDir: string, unsafeNoSync: boolean): Promise<Process> {
    const random = new SeededRandom(1);
    const fatal = (error: unknown): void => {
      if (!disk.powerless) throw error;
    };
    const world = { disk, random, fatal, logger: silentLogger, clock: systemClock(), timers: systemTimers() };
    const nameServer = await openNameServer({
      ...world,
      folder: "/nameserver",
      shards: 3,
      secret: (length) => randomBytes(length),
      newClusterId: randomUUID,
    });
    const config = parseBrokerConfig({ dataDir, host, grpcPort: 0, httpPort: 0, store: { segmentBytes: 16 * mib } });
    const storeOptions = { unsafeNoSync, maxEntryBytes: mib, cacheBytes: 8 * mib, reserveBytes: mib };
    const broker = await startBroker(config, { ...world, metadata: nameServer.metadata, storeOptions });
    return new Process(nameServer, broker);
  }

  get address(): Address {
    return { host, port: this.#broker.grpcPort };
  }

  async createTopic(): Promise<void> {
    const { metadata } = this.#nameServer;
    await metadata.createTopic({
      requestId: randomUUID(),
      name: topic,
      type: "NORMAL",
      queues: 4,
      retentionMs: undefined,
    });
  }

  /** Closes what can be closed: without power, little can. */
  async end(): Promise<void> {
    await this.#broker.close(0).catch(() => undefined);
    await this.#nameServer.close().catch(() => undefined);
  }
}
