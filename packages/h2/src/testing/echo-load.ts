import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { assert, defined } from "@saturnmq/kit";

/** What a run of calls showed. */
export type LoadResult = {
  readonly perSecond: number;
  /** Microseconds from a call's write to its trailers. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly calls: number;
};

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const trailersWith = (flags: number): boolean => (flags & 1) !== 0;
/** Latencies of the calls under way, by stream id. */
const ringSize = 1 << 16;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function literal(name: string, value: string): Buffer {
  const text = (each: string): Buffer => Buffer.concat([Buffer.from([each.length]), Buffer.from(each, "latin1")]);
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

/** One call's frames: nine fields as a gRPC client sends them, most of them by index after the first call. */
function requestFrames(bodyBytes: number): { first: Buffer; later: Buffer; dataAt: (bytes: Buffer) => number } {
  const indexed = (name: string, value: string): Buffer => {
    const bytes = literal(name, value);
    bytes[0] = 0x40;
    return bytes;
  };
  const timeout = literal("grpc-timeout", "3S");
  const fields = [
    indexed(":authority", "127.0.0.1:8081"),
    indexed(":path", "/bench.Echo/Echo"),
    indexed("te", "trailers"),
    indexed("content-type", "application/grpc"),
    indexed("user-agent", "grpc-java-netty/1.60.0"),
  ];
  const fixed = Buffer.from([0x83, 0x86]);
  const indexes = Buffer.from([66, 65, 64, 63, 62].map((index) => 0x80 | index));
  const message = Buffer.alloc(5 + bodyBytes, 0x61);
  message[0] = 0;
  message.writeUInt32BE(bodyBytes, 1);
  const data = frame(0, 1, 0, message);
  const build = (block: Buffer): Buffer => Buffer.concat([frame(1, 4, 0, block), data]);
  return {
    first: build(Buffer.concat([fixed, ...fields, timeout])),
    later: build(Buffer.concat([fixed, indexes, timeout])),
    dataAt: (bytes) => bytes.length - data.length,
  };
}

/**
 * One connection with a fixed number of calls in flight: pre-encoded frames, patched stream ids, one write for each read. Checks each reply: its
 * length, and `grpc-status` 0 by the trailers that are the same bytes each time.
 */
export class EchoLoad {
  readonly #socket: Socket;
  readonly #inFlight: number;
  readonly #frames;
  readonly #startedUs = new Float64Array(ringSize);
  readonly #latencies: number[] = [];
  #stream = 1;
  #rest: Buffer | undefined;
  #calls = 0;
  #receivedBytes = 0;
  #dataBytes = 0;
  #stopping = false;
  #open = 0;
  #drained: (() => void) | undefined;

  private constructor(socket: Socket, inFlight: number, bodyBytes: number) {
    this.#socket = socket;
    this.#inFlight = inFlight;
    this.#frames = requestFrames(bodyBytes);
    socket.on("data", (bytes: Buffer) => {
      this.#read(bytes);
    });
  }

  static async open(port: number, inFlight: number, bodyBytes: number): Promise<EchoLoad> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    const settings = Buffer.from([0, 1, 0, 0, 0x10, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
    const window = Buffer.from([0x7f, 0xff, 0, 0]);
    socket.write(Buffer.concat([preface, frame(4, 0, 0, settings), frame(8, 0, 0, window)]));
    const load = new EchoLoad(socket, inFlight, bodyBytes);
    load.#send(1);
    return load;
  }

  /** Lets it run for a time and says what that showed. */
  async measure(ms: number): Promise<LoadResult> {
    this.#latencies.length = 0;
    const before = this.#calls;
    const startedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const seconds = (performance.now() - startedMs) / 1_000;
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
    const calls = this.#calls - before;
    return { perSecond: calls / seconds, p50Us: at(0.5), p99Us: at(0.99), calls };
  }

  async close(): Promise<void> {
    this.#stopping = true;
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#socket.destroy();
  }

  #send(calls: number): void {
    if (this.#stopping) return;
    const parts: Buffer[] = [];
    const nowUs = performance.now() * 1_000;
    for (let n = 0; n < calls; n += 1) {
      const template = this.#stream === 1 ? this.#frames.first : this.#frames.later;
      const bytes = Buffer.allocUnsafe(template.length);
      template.copy(bytes);
      bytes.writeUInt32BE(this.#stream, 5);
      bytes.writeUInt32BE(this.#stream, this.#frames.dataAt(bytes) + 5);
      this.#startedUs[(this.#stream >>> 1) % ringSize] = nowUs;
      parts.push(bytes);
      this.#stream += 2;
      this.#open += 1;
    }
    this.#socket.write(parts.length === 1 ? defined(parts[0], "call") : Buffer.concat(parts));
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    const nowUs = performance.now() * 1_000;
    let at = 0;
    let done = 0;
    while (at + 9 <= bytes.length) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      done += this.#frame(bytes, at, end, nowUs);
      at = end;
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
    if (this.#receivedBytes > 1 << 29) this.#grant();
    this.#calls += done;
    this.#open -= done;
    if (this.#stopping && this.#open === 0) this.#drained?.();
    if (done === 0) return;
    // The first call alone fills the header table; then as many as are wanted.
    this.#send(this.#calls === 1 ? this.#inFlight : done);
  }

  #frame(bytes: Buffer, at: number, end: number, nowUs: number): number {
    const type = bytes[at + 3];
    const flags = bytes[at + 4] ?? 0;
    if (type === 0) {
      this.#receivedBytes += end - at - 9;
      this.#dataBytes += end - at - 9;
    }
    if (type === 4 && !(flags & 1)) this.#socket.write(frame(4, 1, 0, Buffer.alloc(0)));
    if (type === 6 && !(flags & 1)) this.#socket.write(frame(6, 1, 0, bytes.subarray(at + 9, end)));
    assert(type !== 3 && type !== 7, "the server reset a stream or the connection");
    if (type !== 1 || !trailersWith(flags)) return 0;
    const stream = bytes.readUInt32BE(at + 5);
    this.#latencies.push(nowUs - (this.#startedUs[(stream >>> 1) % ringSize] ?? 0));
    return 1;
  }

  /** Bytes of replies, prefixes included, per call: what tells that the echo came back whole. */
  get dataBytesPerCall(): number {
    return this.#dataBytes / Math.max(1, this.#calls);
  }

  #grant(): void {
    const window = Buffer.alloc(4);
    window.writeUInt32BE(this.#receivedBytes);
    this.#receivedBytes = 0;
    this.#socket.write(frame(8, 0, 0, window));
  }
}
