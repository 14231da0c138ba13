/**
 * Peer links between two processes over loopback TCP: `node bench/src/peer.ts [--seconds 3]`.
 *
 * This process leads: it sends, counts what is answered and keeps so many in flight; a child follows. CPU is user and system time of each process
 * with all its threads. The bare loop is `node:net` alone with messages and answers of the same sizes, both gathered per turn of the event loop.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { silentLogger } from "@saturnmq/kit";
import { crc32, nodeNet, systemClock, systemTimers } from "@saturnmq/kit/node";
import { createPeerLinks, type PeerLinks } from "@saturnmq/peer";
import { immediateTurn, type PeerMessage } from "raft-ts";
import { machineFacts } from "./machine.ts";

const leader = 1;
const follower = 2;
/** An append of one entry and its answer on the wire, beyond the payload: what the bare loop sends too. */
const headBytes = 82;
const answerBytes = 44;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "3" },
    /** The child's part: it prints its ports, follows, and prints its CPU when asked. */
    follow: { type: "boolean", default: false },
  },
});
const spanMs = 1_000 * Number(values.seconds);
const rounds = Number(values.rounds);

type Cpu = { readonly user: number; readonly system: number };
type Ports = { readonly links: number; readonly bare: number };
type Workload = {
  readonly what: "append" | "call" | "bare";
  readonly bytes: number;
  readonly inFlight: number;
};
type Result = { readonly perSecond: number; readonly leaderMicros: number; readonly followerMicros: number };

async function openLinks(id: number, receive: (message: PeerMessage) => void): Promise<PeerLinks> {
  return createPeerLinks({
    identity: { clusterId: "bench", role: "broker", id, incarnation: 1, featureLevel: 1 },
    listen: { host: "127.0.0.1", port: 0 },
    admit: () => undefined,
    receive: (_from, message) => {
      receive(message);
    },
    handle: async (_from, request) => request.subarray(0, 1),
    peerState: () => undefined,
    linkChanged: () => undefined,
    net: nodeNet(),
    clock: systemClock(),
    timers: systemTimers(),
    turn: immediateTurn,
    random: { below: (bound) => randomInt(bound) },
    logger: silentLogger,
  });
}

/** Acknowledges every append, and in the bare loop every message. */
async function follow(): Promise<void> {
  const links: PeerLinks = await openLinks(follower, (message) => {
    if (message.kind !== "group" || message.message.kind !== "appendRequest") return;
    const { term, prevIndex, entries } = message.message;
    const accepted = { kind: "appendAccepted", term, matchIndex: prevIndex + entries.length, lost: false } as const;
    links.send(leader, { kind: "group", group: message.group, message: accepted, payloads: [] });
  });
  const bare = createServer({ noDelay: true }, answerBare).listen(0, "127.0.0.1", () => {
    const address = bare.address();
    const ports: Ports = {
      links: links.port,
      bare: address !== null && typeof address === "object" ? address.port : 0,
    };
    process.send?.(ports);
  });
  process.on("message", () => process.send?.(process.cpuUsage()));
  process.on("disconnect", () => process.exit());
}

/** The first four bytes say how long each message is. */
function answerBare(socket: Socket): void {
  let length = 0;
  let bytes = 0;
  socket.on("data", (chunk) => {
    if (length === 0) length = chunk.readUInt32LE(0);
    bytes += chunk.length;
    const count = Math.floor(bytes / length);
    bytes -= count * length;
    if (count > 0) socket.write(Buffer.alloc(count * answerBytes));
  });
  socket.on("error", () => undefined);
}

class Bench {
  readonly #links: PeerLinks;
  readonly #ports: Ports;
  readonly #followerCpu: () => Promise<Cpu>;
  /** What happens when an append is acknowledged. */
  #acknowledged: () => void = () => undefined;

  private constructor(links: PeerLinks, ports: Ports, followerCpu: () => Promise<Cpu>) {
    this.#links = links;
    this.#ports = ports;
    this.#followerCpu = followerCpu;
  }

  static async run(): Promise<void> {
    const script = fileURLToPath(import.meta.url);
    const child = spawn(process.execPath, [script, "--follow"], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const answer = <T>(): Promise<T> => new Promise((resolve) => child.once("message", (value) => resolve(value as T)));
    const ports = await answer<Ports>();
    const followerCpu = (): Promise<Cpu> => {
      child.send("cpu");
      return answer<Cpu>();
    };
    const links: PeerLinks = await openLinks(leader, () => {
      bench.#acknowledged();
    });
    const bench = new Bench(links, ports, followerCpu);
    try {
      await bench.#report();
    } finally {
      await links[Symbol.asyncDispose]();
      child.disconnect();
    }
  }

  async #report(): Promise<void> {
    this.#links.setPeers(new Map([[follower, { host: "127.0.0.1", port: this.#ports.links }]]));
    while (!this.#links.connected(follower)) await sleep(5);
    const { cpu, cores, memoryGiB, kernel, node, date } = machineFacts(".");
    console.log(
      `${cpu}, ${cores} cores, ${memoryGiB} GiB; ${kernel}; Node ${node}; loopback; median of ${rounds} rounds`,
    );
    console.log(`of ${spanMs / 1000} s, interleaved; ${date}\n`);
    console.log("| message | in flight | messages/s | MB/s | CPU µs a message: leader | follower |");
    console.log("|---|---:|---:|---:|---:|---:|");
    const workloads = workloadsToRun();
    const results = workloads.map((): Result[] => []);
    for (const workload of workloads) await this.#measure(workload, spanMs / 3);
    for (let round = 0; round < rounds; round += 1)
      for (const [at, workload] of workloads.entries()) results[at]?.push(await this.#measure(workload, spanMs));
    for (const [at, workload] of workloads.entries()) console.log(row(workload, results[at] ?? []));
    const idle = await this.#cpuDuring(() => sleep(spanMs));
    const percent = (micros: number): string => `${((100 * micros) / 1_000 / spanMs).toFixed(2)} %`;
    console.log(
      `\nIdle, one link: ${percent(idle.leader)} of a core on one side, ${percent(idle.follower)} on the other.`,
    );
  }

  async #measure(workload: Workload, ms: number): Promise<Result> {
    let count = 0;
    let seconds = 0;
    const cpu = await this.#cpuDuring(async () => {
      const startMs = performance.now();
      count = await this.#drive(workload, startMs + ms);
      seconds = (performance.now() - startMs) / 1_000;
    });
    return { perSecond: count / seconds, leaderMicros: cpu.leader / count, followerMicros: cpu.follower / count };
  }

  async #cpuDuring(action: () => Promise<void>): Promise<{ readonly leader: number; readonly follower: number }> {
    const theirs = await this.#followerCpu();
    const mine = process.cpuUsage();
    await action();
    const spent = process.cpuUsage(mine);
    const after = await this.#followerCpu();
    return {
      leader: spent.user + spent.system,
      follower: after.user + after.system - theirs.user - theirs.system,
    };
  }

  /** Keeps so many in flight until the time; how many were answered. */
  #drive({ what, bytes, inFlight }: Workload, endMs: number): Promise<number> {
    const begin = { append: () => this.#appends(bytes), call: () => this.#calls(bytes), bare: () => this.#bare(bytes) };
    return new Promise((resolve) => {
      let open = 0;
      let count = 0;
      const { send, close } = begin[what]();
      const step = (): void => {
        open -= 1;
        count += 1;
        if (performance.now() < endMs) {
          open += 1;
          send(step);
        } else if (open === 0) {
          close();
          resolve(count);
        }
      };
      for (; open < inFlight; open += 1) send(step);
    });
  }

  #appends(bytes: number): Driver {
    const content = Buffer.alloc(bytes, 7);
    const payloads = [{ bytes: content, start: 0, length: bytes, crc: crc32(content, 0, bytes) }];
    let index = 0;
    return {
      send: (done) => {
        this.#acknowledged = done;
        const entries = [{ index: index + 1, term: 1 }];
        const message = {
          kind: "appendRequest",
          term: 1,
          prevIndex: index,
          prevTerm: 1,
          entries,
          commit: index,
          uncounted: false,
        } as const;
        index += 1;
        this.#links.send(follower, { kind: "group", group: 1, message, payloads });
      },
      close: () => undefined,
    };
  }

  #calls(bytes: number): Driver {
    return {
      send: (done) => {
        void this.#links.call(follower, Buffer.alloc(bytes, 7), { timeoutMs: 10_000 }).then(done);
      },
      close: () => undefined,
    };
  }

  #bare(bytes: number): Driver {
    const length = headBytes + bytes;
    const socket = connect({ host: "127.0.0.1", port: this.#ports.bare, noDelay: true });
    let waiting = 0;
    let done: () => void = () => undefined;
    let answered = 0;
    const flush = (): void => {
      const block = Buffer.allocUnsafe(waiting * length);
      for (let at = 0; at < block.length; at += length) block.writeUInt32LE(length, at);
      waiting = 0;
      socket.write(block);
    };
    socket.on("data", (chunk) => {
      answered += chunk.length;
      for (; answered >= answerBytes; answered -= answerBytes) done();
    });
    return {
      send: (step) => {
        done = step;
        if (waiting === 0) setImmediate(flush);
        waiting += 1;
      },
      close: () => socket.destroy(),
    };
  }
}

type Driver = { readonly send: (done: () => void) => void; readonly close: () => void };

function workloadsToRun(): readonly Workload[] {
  const sizes: readonly (readonly [bytes: number, inFlight: number])[] = [
    [1_024, 1],
    [1_024, 64],
    [1_024, 512],
    [65_536, 16],
    [1_048_576, 4],
  ];
  return sizes.flatMap(([bytes, inFlight]) =>
    (["append", "call", "bare"] as const).map((what) => ({ what, bytes, inFlight })),
  );
}

function row({ what, bytes, inFlight }: Workload, results: readonly Result[]): string {
  const perSecond = median(results.map((result) => result.perSecond));
  const micros = (pick: (result: Result) => number): string => median(results.map(pick)).toFixed(1);
  return `| ${[
    `${what}, ${bytes / 1_024} KiB`,
    String(inFlight),
    Math.round(perSecond).toLocaleString("en"),
    ((perSecond * bytes) / 1e6).toFixed(0),
    micros((result) => result.leaderMicros),
    micros((result) => result.followerMicros),
  ].join(" | ")} |`;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (values.follow) await follow();
else await Bench.run();
