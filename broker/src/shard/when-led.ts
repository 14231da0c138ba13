import type { Timers } from "@saturnmq/kit";
import type { ShardRuntime } from "./shard-runtime.ts";

/** The first of the shards that is led and served here; `undefined` if none is within `waitMs`. */
export function whenAnyLed(
  shards: readonly ShardRuntime[],
  waitMs: number,
  timers: Timers,
): Promise<ShardRuntime | undefined> {
  const led = shards.find((shard) => shard.led !== undefined);
  if (led !== undefined || shards.length === 0 || waitMs <= 0) return Promise.resolve(led);
  return new Promise((resolve) => {
    const cancel = timers.after(waitMs, () => {
      resolve(undefined);
    });
    for (const shard of shards) {
      shard.whenLed(() => {
        cancel();
        resolve(shard);
      });
    }
  });
}
