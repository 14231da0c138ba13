import { expect, test } from "@jest/globals";
import type { Connection, ConnectionHandler } from "./net.ts";
import { nodeNet } from "./node-net.ts";
import { SeededRandom } from "./random.ts";
import { ManualTime } from "./testing/manual-time.ts";
import { MemoryNet } from "./testing/memory-net.ts";
import { describeNet } from "./testing/net-contract.ts";

const ignored: ConnectionHandler = { data: () => undefined, drained: () => undefined, closed: () => undefined };

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

test.each([
  { host: "127.0.0.9", from: "127.0.0.9" },
  { host: "0.0.0.0", from: "127.0.0.1" },
  { host: "localhost", from: "127.0.0.1" },
])("a process that listens on $host dials from $from", async ({ host, from }) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const accept = (connection: Connection): ConnectionHandler => {
    resolve(connection.remote);
    connection.destroy();
    return ignored;
  };
  const listener = await nodeNet().listen({ host: "127.0.0.1", port: 0, accept, failed: () => undefined });
  nodeNet({ host }).connect({ host: "127.0.0.1", port: listener.port }, ignored);
  expect(await promise).toMatch(new RegExp(`^${from}:`));
  await listener.close();
});
