import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { FieldList } from "../core/field-list.ts";
import { HpackDecoder } from "../core/hpack-decoder.ts";
import { flag, frameType } from "../core/protocol.ts";
import { type Frame, hello, parseFrames } from "./frames.ts";

/** What came back on one stream. */
export type RawAnswer = {
  /** Fields of each header block, in order. */
  readonly blocks: ReadonlyMap<string, string>[];
  data: Buffer;
  ended: boolean;
  /** Error code of a RST_STREAM. */
  reset: number | undefined;
};

/** A client that sends whatever bytes it is told to, and notes what comes back. It acknowledges nothing and grants nothing by itself. */
export class RawClient {
  readonly frames: Frame[] = [];
  /** Error code and text of a GOAWAY, the last one. */
  goAway: { readonly lastStream: number; readonly code: number; readonly text: string } | undefined;
  /** When the server closed, `performance.now()`. */
  closedMs: number | undefined;
  readonly socket: Socket;
  readonly #answers = new Map<number, RawAnswer>();
  readonly #decoder = new HpackDecoder();
  readonly #list = new FieldList(1 << 16);
  #rest: Buffer = Buffer.alloc(0);
  #waiting: (() => void)[] = [];
  #keeps = true;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => {
      const { frames, rest } = parseFrames(Buffer.concat([this.#rest, bytes]));
      this.#rest = Buffer.from(rest);
      for (const each of frames) this.#note(each);
      this.#wake();
    });
    // A server that destroys us may do so by a reset.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.closedMs = performance.now();
      this.#wake();
    });
  }

  /** Connects, from `localAddress`; greets with `settings` unless told not to. */
  static async open(
    port: number,
    settings: readonly (readonly [id: number, value: number])[] | "silent" = [],
    localAddress = "127.0.0.1",
  ): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true });
    await once(socket, "connect");
    const client = new RawClient(socket);
    if (settings !== "silent") client.send(hello(settings));
    return client;
  }

  send(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** Sends, and waits until the system has taken it or the connection is over. */
  async sent(bytes: Uint8Array): Promise<void> {
    if (this.closed) return;
    await new Promise<void>((resolve) => {
      this.socket.once("close", resolve);
      this.socket.write(bytes, () => {
        this.socket.off("close", resolve);
        resolve();
      });
    });
  }

  /** From now on only GOAWAY is noted: for floods, whose answers nobody wants to keep. */
  keepNothing(): void {
    this.#keeps = false;
  }

  get closed(): boolean {
    return this.closedMs !== undefined;
  }

  answer(stream: number): RawAnswer {
    const known = this.#answers.get(stream);
    if (known !== undefined) return known;
    const answer: RawAnswer = { blocks: [], data: Buffer.alloc(0), ended: false, reset: undefined };
    this.#answers.set(stream, answer);
    return answer;
  }

  /** Resolves when `holds` does; looked at after each read. Rejects when the connection is over before. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.closed) throw new Error(`closed: ${JSON.stringify(this.goAway)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** For clients that call for long. */
  forget(stream: number): void {
    this.#answers.delete(stream);
    this.frames.length = 0;
  }

  async untilEnded(stream: number): Promise<RawAnswer> {
    const answer = this.answer(stream);
    await this.until(() => answer.ended || answer.reset !== undefined);
    return answer;
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.socket.destroy();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #note(each: Frame): void {
    const { type, payload, stream, flags } = each;
    if (type === frameType.goAway) {
      const [lastStream, code] = [payload.readUInt32BE(0), payload.readUInt32BE(4)];
      this.goAway = { lastStream, code, text: payload.toString("latin1", 8) };
    }
    if (!this.#keeps) return;
    this.frames.push(each);
    if (stream === 0) return;
    const answer = this.answer(stream);
    if (type === frameType.headers) answer.blocks.push(this.#fields(payload));
    if (type === frameType.data) answer.data = Buffer.concat([answer.data, payload]);
    if (type === frameType.reset) answer.reset = payload.readUInt32BE(0);
    if ((type === frameType.headers || type === frameType.data) && flags & flag.endStream) answer.ended = true;
  }

  #fields(block: Buffer): ReadonlyMap<string, string> {
    const outcome = this.#decoder.decode(block, 0, block.length, this.#list);
    if (outcome !== "ok") throw new Error(`the server sent a header block that is ${outcome}`);
    const fields = new Map<string, string>();
    for (let row = 0; row < this.#list.count; row += 1) fields.set(this.#list.name(row), this.#list.value(row));
    return fields;
  }
}
