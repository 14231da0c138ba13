import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { ManualTime, type MemoryDisk } from "@saturnmq/kit/testing";
import { openLogStore } from "../open-log-store.ts";
import type { LogStoreOptions } from "../options.ts";
import type { LogStore } from "../ports.ts";

/** Opens the folder `data` with small segments, so that little work fills several. */
export function openSmallStore(disk: MemoryDisk, changes: Partial<LogStoreOptions> = {}): Promise<LogStore> {
  const time = new ManualTime();
  return openLogStore({
    disk,
    folder: "data",
    clusterId: "c",
    replicaId: 1,
    clock: time,
    timers: time,
    random: new SeededRandom(9),
    logger: silentLogger,
    segmentBytes: 106_496,
    cacheBytes: 327_680,
    maxEntryBytes: 24_576,
    reserveBytes: 0,
    ...changes,
  });
}
