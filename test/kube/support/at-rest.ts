import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterTools } from "@saturnmq/bench";

const evenWithinMs = 180_000;
const restMs = 5_000;

/** Waits until leaders are even within one and none has moved for 5 s: what is read while one moves may come twice, and out of order. */
export async function untilAtRest(tools: ClusterTools): Promise<void> {
  await tools.untilEven(evenWithinMs);
  const leaders = async (): Promise<string> => (await tools.shards()).map(({ leaderHint }) => leaderHint).join();
  await tools.until(
    "no leader moves",
    async () => {
      const before = await leaders();
      await sleep(restMs);
      return before === (await leaders());
    },
    evenWithinMs,
  );
}
