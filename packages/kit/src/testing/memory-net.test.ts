import { describe, expect, test } from "@jest/globals";
import type { Connection, ConnectionHandler } from "../net.ts";
import { SeededRandom } from "../random.ts";
import { ManualTime } from "./manual-time.ts";
import { MemoryNet } from "./memory-net.ts";

/** Hosts a and b, a listener on b that records, and a connection from a. */
async function connected(seed = 1) {
  const time = new ManualTime();
  const net = new MemoryNet({ time, random: new SeededRandom(seed) });
  const events: string[] = [];
  const record = (who: string): ConnectionHandler => ({
    opened: () => events.push(`${time.monoMs().toFixed(1)} ${who} opened`),
    data: (chunk) => events.push(`${time.monoMs().toFixed(1)} ${who} ${Buffer.from(chunk).toString()}`),
    drained: () => events.push(`${time.monoMs().toFixed(1)} ${who} drained`),
    closed: (error) => events.push(`${time.monoMs().toFixed(1)} ${who} closed ${error?.code ?? "in order"}`),
  });
  let far: Connection | undefined;
  const listen = () =>
    net.host("b").listen({
      host: "b",
      port: 1,
      accept: (connection) => {
        far = connection;
        return record("b");
      },
      failed: () => undefined,
    });
  await listen();
  const near = net.host("a").connect({ host: "b", port: 1 }, record("a"));
  time.advance(10);
  return {
    time,
    net,
    events,
    near,
    far: far!,
    listen,
    what: () => events.map((event) => event.split(" ").slice(1).join(" ")),
  };
}

const text = (value: string): Uint8Array[] => [Buffer.from(value)];

describe("MemoryNet", () => {
  test("a cut direction delivers nothing, the other one goes on; healed, everything arrives in order", async () => {
    const { time, net, near, far, what } = await connected();
    net.setWeather("a", "b", { cut: true });
    near.write(text("x"));
    far.write(text("y"));
    time.advance(60_000);
    expect(what()).toEqual(["a opened", "a y"]);
    near.write(text("z"));
    net.setWeather("a", "b", { cut: false });
    time.advance(10);
    expect(what()).toEqual(["a opened", "a y", "b x", "b z"]);
  });

  test("a dial into a cut waits", async () => {
    const { time, net, what } = await connected();
    net.setCut("a", "b", true);
    net.host("a").connect({ host: "b", port: 1 }, { data: () => 0, drained: () => 0, closed: () => 0 });
    time.advance(60_000);
    expect([what(), net.openSides]).toEqual([["a opened"], 2]);
    net.setCut("a", "b", false);
    time.advance(10);
    expect(net.openSides).toBe(4);
  });

  test("a reset ends both sides with an error", async () => {
    const { time, net, what } = await connected();
    net.reset("a", "b");
    time.advance(1);
    expect(what().sort()).toEqual(["a closed reset", "a opened", "b closed reset"]);
    expect(net.openSides).toBe(0);
  });

  test("a host that vanished leaves the other side half-open until it sends something to the host's next life", async () => {
    const { time, net, near, what, listen } = await connected();
    net.vanish("b");
    net.setCut("a", "b", true);
    near.write(text("x"));
    time.advance(60_000);
    expect([what(), net.openSides]).toEqual([["a opened"], 1]);
    await listen();
    net.setCut("a", "b", false);
    time.advance(10);
    expect([what(), net.openSides]).toEqual([["a opened", "a closed reset"], 0]);
  });

  test("bandwidth is bounded", async () => {
    const { time, net, near, events } = await connected();
    net.setWeather("a", "b", { bytesPerMs: 100 });
    for (let block = 0; block < 100; block += 1) near.write([new Uint8Array(1_000)]);
    time.advance(500);
    const half = events.filter((event) => event.includes(" b ")).length;
    time.advance(510);
    const all = events.filter((event) => event.includes(" b ")).length;
    expect(all).toBeGreaterThanOrEqual(100);
    expect(half / all).toBeGreaterThan(0.4);
    expect(half / all).toBeLessThan(0.6);
  });

  test("one seed, one history; another seed, another", async () => {
    const history = async (seed: number): Promise<readonly string[]> => {
      const { time, near, events } = await connected(seed);
      for (let word = 0; word < 50; word += 1) near.write(text(`word ${word}`));
      time.advance(100);
      return events;
    };
    expect(await history(7)).toEqual(await history(7));
    expect(await history(7)).not.toEqual(await history(8));
  });
});
