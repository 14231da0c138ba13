import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { SendCounters } from "../src/generator/send-load.ts";

/** How a server takes messages and answers them, on one connection. */
export interface SendProtocol {
  /** Says hello, and makes what messages are sent to. Nothing else reads the socket until it resolves. @throws {Error} when refused */
  open(socket: Socket): Promise<void>;
  /** Message number `n` of this connection, 0 upwards, as bytes. */
  request(n: number): Buffer;
  /** Looks through `bytes`, tells each answer, and says how many bytes it has used up. `problem`: why it is no success. */
  read(bytes: Buffer, answered: (n: number, problem?: string) => void): number;
}

const drainMs = 10_000;
/** Numbers of messages in flight differ by less than this. */
const ringSize = 65_536;

/** A closed loop on one connection, with the same rules as ours: so many are open at once, each answer starts the next, one write an event. */
export class PipelinedLoad {
  readonly #protocol: SendProtocol;
  readonly #counters: SendCounters;
  readonly #socket: Socket;
  readonly #sentMs = new Float64Array(ringSize);
  #next = 0;
  #open = 0;
  #rest: Buffer | undefined;
  #stopped = false;
  #drained: (() => void) | undefined;

  private constructor(protocol: SendProtocol, socket: Socket, counters: SendCounters) {
    this.#protocol = protocol;
    this.#socket = socket;
    this.#counters = counters;
  }

  /** Connects and starts. @throws {Error} when the server cannot be reached or refuses */
  static async start(
    port: number,
    protocol: SendProtocol,
    inFlight: number,
    counters: SendCounters,
  ): Promise<PipelinedLoad> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    await protocol.open(socket);
    const load = new PipelinedLoad(protocol, socket, counters);
    socket.on("data", (bytes: Buffer) => {
      load.#read(bytes);
    });
    socket.on("error", (error) => {
      load.#count(`connection lost: ${error.message}`);
    });
    socket.on("close", () => load.#drained?.());
    load.#send(inFlight);
    return load;
  }

  /** Waits for what is open, for a bounded time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#open > 0 && !this.#socket.destroyed) {
      const drained = new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
      await Promise.race([drained, sleep(drainMs, undefined, { ref: false })]);
    }
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    const whole = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]);
    const nowMs = performance.now();
    let answers = 0;
    const used = this.#protocol.read(whole, (n, problem) => {
      answers += 1;
      if (problem !== undefined) {
        this.#count(problem);
        return;
      }
      this.#counters.ok += 1;
      this.#counters.latency.record(nowMs - (this.#sentMs[n % ringSize] ?? Number.NaN));
    });
    this.#rest = used < whole.length ? Buffer.from(whole.subarray(used)) : undefined;
    this.#open -= answers;
    if (!this.#stopped) this.#send(answers);
    else if (this.#open === 0) this.#drained?.();
  }

  #send(count: number): void {
    if (count === 0) return;
    const nowMs = performance.now();
    const requests = Array.from({ length: count }, (_, n) => {
      this.#sentMs[(this.#next + n) % ringSize] = nowMs;
      return this.#protocol.request(this.#next + n);
    });
    this.#next += count;
    this.#open += count;
    this.#socket.write(requests.length === 1 ? (requests[0] ?? Buffer.alloc(0)) : Buffer.concat(requests));
  }

  #count(reason: string): void {
    this.#counters.failures.set(reason, (this.#counters.failures.get(reason) ?? 0) + 1);
  }
}

/** Collects what a server says until `complete` finds its answer in it; for hellos. @throws {Error} when the connection ends first */
export async function answerOf<Answer>(
  socket: Socket,
  complete: (bytes: Buffer) => Answer | undefined,
): Promise<Answer> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await Promise.race([once(socket, "data"), once(socket, "close").then(() => [undefined])])) as [
      Buffer | undefined,
    ];
    if (chunk === undefined)
      throw new Error(`the server closed the connection: ${bytes.toString("latin1").slice(-200)}`);
    bytes = Buffer.concat([bytes, chunk]);
    const answer = complete(bytes);
    if (answer !== undefined) return answer;
  }
}
