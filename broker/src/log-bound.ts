import { type Disk, DiskError } from "@saturnmq/kit";
import type { BrokerConfig } from "./config.ts";

/**
 * How large the log may become, bytes: the share of its file system that the configuration allows, or its own bound if that is less. The file
 * system is asked each time, as a volume may be enlarged; one that cannot tell is taken for what it was.
 */
export function logBound({ store, dataDir }: BrokerConfig, disk: Disk): () => Promise<number> {
  const own = store.logBytesMax === 0 ? Infinity : store.logBytesMax;
  let share = Infinity;
  return async () => {
    try {
      const { totalBytes } = await disk.space(dataDir);
      share = Math.floor(totalBytes * (store.logPercentMax / 100));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
    return Math.min(own, share);
  };
}
