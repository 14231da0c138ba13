import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defined, SeededRandom, silentLogger } from "@saturnmq/kit";
import { nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { MemoryLogStore } from "./memory-log-store.ts";
import { openLogStore } from "./open-log-store.ts";
import type { LogStoreOptions } from "./options.ts";
import type { LogStore } from "./ports.ts";
import { contractSizes, describeLogStore, type StoreHarness } from "./testing/contract.ts";
import { describeBackfill } from "./testing/contract-backfill.ts";
import { describeGroupState } from "./testing/contract-groups.ts";

const shared = {
  clusterId: "contract",
  replicaId: 7,
  clock: systemClock(),
  timers: systemTimers(),
  random: new SeededRandom(1),
  logger: silentLogger,
  ...contractSizes,
} satisfies Partial<LogStoreOptions>;

function describeAll(name: string, start: () => Promise<StoreHarness>): void {
  describeLogStore(name, start);
  describeGroupState(name, start);
  describeBackfill(name, start);
}

/** Where an entry's head lies in the first segments' files. */
function placeOf(store: LogStore, group: number, index: number): { readonly name: string; readonly byte: number } {
  const { segment, offset } = defined(store.position(group, index), "the entry's position");
  return { name: `log/${String(segment).padStart(12, "0")}.seg`, byte: offset - 8 };
}

describeAll("the memory twin", async () => {
  let store = new MemoryLogStore({ ...contractSizes });
  return {
    store,
    restart: async () => {
      store = store.crash();
      return store;
    },
    restartDamaged: async (group, from) => {
      store = store.crash([{ group, from, action: "fetch" }]);
      return store;
    },
    close: async () => store[Symbol.asyncDispose](),
  };
});

describeAll("the file store on a disk that forgets", async () => {
  const disk = new MemoryDisk({ seed: 5 });
  const options = { ...shared, disk, folder: "data" };
  let store = await openLogStore(options);
  return {
    store,
    restart: async () => {
      disk.cutPower();
      disk.restart();
      store = await openLogStore(options);
      return store;
    },
    restartDamaged: async (group, index) => {
      const { name, byte } = placeOf(store, group, index);
      disk.cutPower();
      disk.restart();
      disk.flipBit(`data/${name}`, byte, 4);
      store = await openLogStore(options);
      return store;
    },
    close: async () => {
      disk.cutPower();
    },
  };
});

describeAll("the file store on a real disk", async () => {
  const folder = mkdtempSync(join(tmpdir(), "saturnmq-store-"));
  const options = { ...shared, disk: nodeDisk(), folder };
  let store: LogStore = await openLogStore(options);
  return {
    store,
    restart: async () => {
      await store[Symbol.asyncDispose]();
      store = await openLogStore(options);
      return store;
    },
    restartDamaged: async (group, index) => {
      const { name, byte } = placeOf(store, group, index);
      await store[Symbol.asyncDispose]();
      flipByte(join(folder, name), byte);
      store = await openLogStore(options);
      return store;
    },
    close: async () => {
      await store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
});

function flipByte(path: string, byte: number): void {
  const file = openSync(path, "r+");
  const one = new Uint8Array(1);
  readSync(file, one, 0, 1, byte);
  one[0] = ~(one[0] ?? 0);
  writeSync(file, one, 0, 1, byte);
  closeSync(file);
}
