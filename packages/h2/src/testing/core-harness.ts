import { Connection, type ConnectionUser } from "../core/connection.ts";
import { FieldList } from "../core/field-list.ts";
import { standardHead, standardTrailers } from "../core/hpack-encoder.ts";
import { defaultLimits, type Limits } from "../core/limits.ts";
import { ChunkPool, Output } from "../core/output.ts";
import { emptyRows, type RequestRows } from "../core/request-rules.ts";
import { type Stream, StreamPool } from "../core/stream.ts";
import { type Frame, hello, parseFrames } from "./frames.ts";

type Noted = { body: number; path: string };
export type NotedStream = Stream<Noted>;

/** A connection without a socket or a clock: bytes in, frames out, events noted. */
export class CoreHarness implements ConnectionUser<Noted> {
  nowMs = 0;
  readonly connection: Connection<Noted>;
  readonly streams = new StreamPool<Noted>(
    () => ({ body: 0, path: "" }),
    () => undefined,
  );
  /** What the user was told: `request 1 /a`, `data 1 5 end`, `lost 1 8`, … */
  readonly events: string[] = [];
  /** Open streams by id, as the user knows them. */
  readonly open = new Map<number, NotedStream>();
  /** Answer each request when it ends, with so many bytes in one message; undefined: the test answers. */
  answerBytes: number | undefined;
  full = false;
  /** What else the user does when it learns of a loss. */
  onLost: (stream: NotedStream) => void = () => undefined;
  readonly #output = new Output(new ChunkPool());

  constructor(limits: Partial<Limits> = {}, ageEndMs = Number.POSITIVE_INFINITY) {
    const room = {
      limits: { ...defaultLimits, ...limits },
      streams: this.streams,
      user: this,
      list: new FieldList(limits.headerListBytesMax ?? defaultLimits.headerListBytesMax),
      rows: emptyRows(),
    };
    this.connection = new Connection<Noted>(room, this.#output, this.nowMs, ageEndMs);
  }

  /** One that has exchanged SETTINGS with its peer; what it said so far is dropped. */
  static open(limits: Partial<Limits> = {}, settings: readonly (readonly [number, number])[] = []): CoreHarness {
    const harness = new CoreHarness(limits);
    harness.receive(hello(settings));
    harness.receive(Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]));
    harness.frames();
    return harness;
  }

  receive(...parts: readonly Uint8Array[]): void {
    this.connection.receive(Buffer.concat(parts), this.nowMs);
  }

  tick(ms: number): void {
    this.nowMs += ms;
    this.connection.tick(this.nowMs);
  }

  /** The frames written since the last call. All of it counts as read by the peer. */
  frames(): Frame[] {
    const bytes = Buffer.concat(this.#output.take().map(({ bytes: each, used }) => each.subarray(0, used)));
    const { frames, rest } = parseFrames(bytes);
    if (rest.length > 0) throw new Error("half a frame was written");
    return frames;
  }

  /** Answers with a message of `bytes` octets behind a gRPC prefix. */
  answer(stream: NotedStream, bytes: number): void {
    const { sender } = this.connection;
    const message = Buffer.alloc(bytes, 0x61);
    if (sender.answer(stream, message, 0, bytes)) return;
    sender.headers(stream, standardHead);
    sender.message(stream, message, 0, bytes, 5, true);
    if (stream.open) sender.trailers(stream, standardTrailers);
  }

  request(_connection: Connection<Noted>, stream: NotedStream, list: FieldList, rows: RequestRows): void {
    stream.user.path = rows.path < 0 ? "" : list.value(rows.path);
    stream.user.body = 0;
    this.open.set(stream.id, stream);
    this.events.push(`request ${stream.id} ${stream.user.path}${stream.remoteEnded ? " end" : ""}`);
    if (stream.remoteEnded) this.#ended(stream);
  }

  oversized(_connection: Connection<Noted>, stream: NotedStream): void {
    this.events.push(`oversized ${stream.id}`);
    this.connection.reset(stream, 11);
  }

  data(stream: NotedStream, _bytes: Buffer, start: number, end: number): void {
    stream.user.body += end - start;
    this.events.push(`data ${stream.id} ${end - start}${stream.remoteEnded ? " end" : ""}`);
    if (stream.remoteEnded) this.#ended(stream);
  }

  lost(stream: NotedStream, code: number): void {
    this.open.delete(stream.id);
    this.events.push(`lost ${stream.id} ${code}`);
    this.onLost(stream);
  }

  drained(stream: NotedStream): void {
    this.events.push(`drained ${stream.id}`);
  }

  admits(): boolean {
    return !this.full;
  }

  leaving(stream: NotedStream): void {
    this.events.push(`leaving ${stream.id}`);
  }

  overdue(stream: NotedStream): void {
    this.events.push(`overdue ${stream.id}`);
    this.answer(stream, 0);
  }

  #ended(stream: NotedStream): void {
    if (this.answerBytes === undefined) return;
    this.open.delete(stream.id);
    this.answer(stream, this.answerBytes);
  }
}
