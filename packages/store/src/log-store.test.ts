import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { MemoryLogStore } from "./memory-log-store.ts";
import { openLogStore } from "./open-log-store.ts";
import type { LogStoreOptions } from "./options.ts";
import type { LogStore } from "./ports.ts";
import { contractSizes, describeLogStore } from "./testing/contract.ts";

const shared = {
  clusterId: "contract",
  replicaId: 7,
  clock: systemClock(),
  timers: systemTimers(),
  random: new SeededRandom(1),
  logger: silentLogger,
  ...contractSizes,
} satisfies Partial<LogStoreOptions>;

describeLogStore("the memory twin", async () => {
  let store = new MemoryLogStore({ ...contractSizes });
  return {
    store,
    restart: async () => {
      store = store.crash();
      return store;
    },
    close: async () => store[Symbol.asyncDispose](),
  };
});

describeLogStore("the file store on a disk that forgets", async () => {
  const disk = new MemoryDisk({ seed: 5 });
  const options = { ...shared, disk, folder: "data" };
  const store = await openLogStore(options);
  return {
    store,
    restart: async () => {
      disk.cutPower();
      disk.restart();
      return openLogStore(options);
    },
    close: async () => {
      disk.cutPower();
    },
  };
});

describeLogStore("the file store on a real disk", async () => {
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
    close: async () => {
      await store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
});
