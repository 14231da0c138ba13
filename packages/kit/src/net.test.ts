import { nodeNet } from "./node-net.ts";
import { SeededRandom } from "./random.ts";
import { ManualTime } from "./testing/manual-time.ts";
import { MemoryNet } from "./testing/memory-net.ts";
import { describeNet } from "./testing/net-contract.ts";

describeNet("TCP of this machine", () => ({
  dialler: nodeNet(),
  listener: nodeNet(),
  host: "127.0.0.1",
  until: async (condition) => {
    const endMs = performance.now() + 4_000;
    while (!condition()) {
      if (performance.now() > endMs) throw new Error("waited in vain");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },
}));

describeNet("the network in memory", () => {
  const time = new ManualTime();
  const net = new MemoryNet({ time, random: new SeededRandom(1) });
  return {
    dialler: net.host("a"),
    listener: net.host("b"),
    host: "b",
    until: async (condition) => {
      for (let step = 0; step < 10_000 && !condition(); step += 1) time.advance(1);
      if (!condition()) throw new Error("waited in vain");
    },
  };
});
