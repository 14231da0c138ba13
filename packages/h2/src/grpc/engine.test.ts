import { describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { ManualTime } from "@saturnmq/kit/testing";
import { Connection } from "../core/connection.ts";
import { defaultLimits } from "../core/limits.ts";
import { ChunkPool, Output } from "../core/output.ts";
import type { Service } from "../service.ts";
import { echoService } from "../testing/echo-service.ts";
import {
  data,
  type Frame,
  grpcMessage,
  grpcRequest,
  headers,
  hello,
  parseFrames,
  resetStream,
  settingsAck,
  windowUpdate,
} from "../testing/frames.ts";
import { Engine } from "./engine.ts";
import type { Exchange } from "./exchange.ts";

const receiveBytesMax = 100_000;
const requestMs = 5_000;
const seeds = process.env["SATURNMQ_NIGHTLY"] === "1" ? 2_000 : 40;

/** gRPC on one connection without a socket, on time that stands still. */
class Bench {
  readonly time = new ManualTime();
  readonly observed: string[] = [];
  readonly engine: Engine;
  readonly connection: Connection<Exchange>;
  readonly #output = new Output(new ChunkPool());

  constructor(
    services: readonly Service[],
    memory: { readonly connection?: number; readonly all?: number } = {},
    windowBytes = 1 << 30,
  ) {
    this.engine = new Engine(services, {
      clock: this.time,
      log: silentLogger,
      limits: defaultLimits,
      receiveBytesMax,
      requestMs,
      connectionMemoryBytes: memory.connection ?? 1 << 20,
      memoryBytes: memory.all ?? 1 << 20,
      codeTrailer: "code",
      observe: (path, tookMs, code) => this.observed.push(`${path} ${tookMs} ${code}`),
      onEarlierDeadline: () => undefined,
    });
    this.connection = new Connection(this.engine.room, this.#output, 0, Number.POSITIVE_INFINITY);
    this.receive(hello([[4, windowBytes]]), settingsAck, windowUpdate(0, 1 << 30));
    this.frames();
  }

  receive(...parts: readonly Uint8Array[]): void {
    this.connection.receive(Buffer.concat(parts), this.time.monoMs());
  }

  advance(ms: number): void {
    this.time.advance(ms);
    this.engine.advance(this.time.monoMs());
    this.connection.tick(this.time.monoMs());
  }

  frames(): Frame[] {
    const taken = this.#output.take();
    return parseFrames(Buffer.concat(taken.map(({ bytes, used }) => bytes.subarray(0, used)))).frames;
  }
}

const request = (stream: number, method: string, more: readonly (readonly [string, string])[] = []): Buffer =>
  headers(stream, grpcRequest(`/test.Echo/${method}`, more));

describe("time", () => {
  test("a deadline ends a fast call, and a later answer finds nobody", () => {
    const { service, notes } = echoService();
    const bench = new Bench([service]);
    bench.receive(request(1, "Keep", [["grpc-timeout", "100m"]]), data(1, grpcMessage(Buffer.from("a")), true));
    bench.advance(99);
    expect(bench.observed).toEqual([]);
    bench.advance(9);
    expect(bench.observed).toEqual(["/test.Echo/Keep 108 4"]);
    bench.engine.answer(notes.tickets[0] ?? 0, Buffer.from("late"), 0, 4);
    expect(bench.frames()).toHaveLength(1);
    expect(bench.engine.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("a request that does not come whole in time is given up; a bidirectional call may take as long as it likes", () => {
    const bench = new Bench([echoService().service]);
    bench.receive(request(1, "Echo"), data(1, grpcMessage(Buffer.from("abc")).subarray(0, 7)), request(3, "Talk"));
    expect(bench.connection.heldBytes).toBe(3);
    bench.advance(requestMs + 8);
    expect(bench.observed).toEqual([`/test.Echo/Echo ${requestMs + 8} 1`]);
    expect([bench.connection.heldBytes, bench.connection.streams]).toEqual([0, 1]);
  });
});

describe("memory", () => {
  const part = (bytes: number): Buffer => grpcMessage(Buffer.alloc(receiveBytesMax)).subarray(0, bytes);

  test.each([
    { what: "one connection", memory: { connection: 50_000 } },
    { what: "all connections", memory: { all: 50_000 } },
  ])("unfinished requests of $what are bounded: the one that goes beyond ends, the others go on", ({ memory }) => {
    const bench = new Bench([echoService().service], memory);
    bench.receive(request(1, "Echo"), request(3, "Fast"), data(1, part(10_000)), data(3, part(10_000)));
    expect(bench.connection.heldBytes).toBe(39_980);
    bench.receive(request(5, "Echo"), data(5, part(10_000)));
    expect(bench.observed).toEqual(["/test.Echo/Echo 0 8"]);
    expect(bench.connection.heldBytes).toBe(39_980);
    bench.receive(data(3, Buffer.alloc(16_384)));
    expect(bench.observed).toHaveLength(2);
    bench.receive(data(1, Buffer.alloc(10)), resetStream(1, 8));
    expect(bench.connection.heldBytes).toBe(0);
  });

  test("a service that counts its own calls is not counted for it", () => {
    const bench = new Bench([{ ...echoService().service, countsCalls: true }]);
    bench.receive(request(1, "Fast"), data(1, grpcMessage(Buffer.from("x")), true));
    expect(bench.frames().length).toBeGreaterThan(0);
    expect(bench.observed).toEqual([]);
  });

  test("when memory is used up, new requests are refused until there is some", () => {
    const bench = new Bench([echoService().service], { all: 20_000 });
    bench.receive(request(1, "Echo"), data(1, part(10_005)));
    bench.frames();
    bench.receive(request(3, "Echo"));
    expect(bench.frames().map(({ type, stream }) => `${type} ${stream}`)).toEqual(["3 3"]);
    bench.receive(resetStream(1, 8), request(5, "Fast"), data(5, grpcMessage(Buffer.from("x")), true));
    expect(bench.observed.at(-1)).toBe("/test.Echo/Fast 0 0");
  });
});

/*
 * Calls of every kind by a client that sends whatever gRPC allows and some of what it does not. Each call that began is told to `observe` once, and
 * when the connection ends nothing is left of them.
 */
test("whatever calls come and go, each is accounted for once", async () => {
  const methods = ["Fast", "Keep", "Fail", "Echo", "Large", "Refuse", "Bug", "Wait", "Count", "Talk", "Nothing"];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const random = new SeededRandom(seed);
    const { service, notes } = echoService();
    // With a small window answers are known before they are sent, which is a state of its own.
    const bench = new Bench([service], {}, seed % 2 === 0 ? 1 << 30 : 2);
    let next = 1;
    let begun = 0;
    for (let step = 0; step < 60 && bench.connection.state === "open"; step += 1) {
      const roll = random.below(10);
      const open = bench.connection.all().filter(({ remoteEnded }) => !remoteEnded);
      const stream = open[random.below(Math.max(1, open.length))]?.id ?? next;
      if (roll < 4 || stream === next) {
        const method = methods[random.below(methods.length)] ?? "";
        const timeout: [string, string][] = random.below(3) === 0 ? [["grpc-timeout", `${random.below(300)}m`]] : [];
        bench.receive(request(next, method, timeout));
        begun += method === "Nothing" ? 0 : 1;
        next += 2;
      } else if (roll < 8) {
        const whole = Buffer.concat([grpcMessage(Buffer.alloc(random.below(20_000), random.below(5)))]);
        const cut = random.below(3) === 0 ? random.below(whole.length) : whole.length;
        bench.receive(data(stream, whole.subarray(0, Math.min(cut, 16_384)), random.below(2) === 0));
      } else if (roll === 8) bench.receive(resetStream(stream, 8));
      else bench.advance(random.below(200));
      const ticket = notes.tickets[random.below(notes.tickets.length + 1)];
      if (ticket !== undefined) bench.engine.answer(ticket, Buffer.from("kept"), 0, 4);
      bench.frames();
      if (step % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    bench.connection.cut("the test is over");
    await new Promise((resolve) => setImmediate(resolve));
    expect({ seed, observed: bench.observed.length }).toEqual({ seed, observed: begun });
    expect([bench.connection.heldBytes, bench.engine.streams.open]).toEqual([0, 0]);
    expect(bench.engine.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  }
}, 300_000);
