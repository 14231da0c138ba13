import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { assert, defined } from "@saturnmq/kit";
import {
  connectionPreface,
  flag,
  frame,
  frameHeadBytes,
  frameType,
  setting,
  settingsFrame,
  windowAtStart,
  windowMax,
  windowUpdateFrame,
} from "./frames.ts";
import { decodeHeaders } from "./hpack.ts";

/** What a connection tells its user. Ranges are valid only during the call. */
export interface ConnectionUser {
  /** Payload of a DATA frame: `bytes[start, end)`. */
  data(stream: number, bytes: Buffer, start: number, end: number): void;
  /** Response headers, or trailers when the stream ends with them. */
  headers(stream: number, fields: ReadonlyMap<string, string>): void;
  /** The peer ended the stream in good order; nothing follows. */
  ended(stream: number): void;
  /** The peer reset the stream (RFC 9113, 7 lists the codes). */
  reset(stream: number, errorCode: number): void;
  /** Everything one read brought has been told: the moment to write. */
  readDone(): void;
  /** The peer takes no stream above `lastStream`; those that were sent are not processed. */
  goAway(lastStream: number, errorCode: number, debug: string): void;
  /** The connection is gone; `undefined` when we closed it. Streams still open have no outcome. */
  closed(reason: Error | undefined): void;
}

/** What the peer allows; defaults of RFC 9113 until its SETTINGS say otherwise. */
export type PeerSettings = {
  maxStreams: number;
  initialWindow: number;
  maxFrameBytes: number;
  headerTableBytes: number;
};

/**
 * The client end of one HTTP/2 connection with prior knowledge, without TLS: frames in, frames out. It answers SETTINGS and PING, tops up the
 * peer's connection window and tracks ours; streams, and their windows, are its user's. Announces no header table, so blocks stand alone.
 */
export class Connection {
  readonly peer: PeerSettings = {
    maxStreams: Number.POSITIVE_INFINITY,
    initialWindow: windowAtStart,
    maxFrameBytes: 16_384,
    headerTableBytes: 4_096,
  };
  /** Bytes of DATA that we may still send on the connection. */
  sendWindow = windowAtStart;
  /** Called when the peer granted more: `stream` 0 is the connection. */
  onWindow: (stream: number, bytes: number) => void = () => undefined;
  /** Called after a change of the peer's initial window: by how much the windows of open streams grew. */
  onInitialWindow: (growth: number) => void = () => undefined;
  readonly #socket: Socket;
  readonly #user: ConnectionUser;
  #rest: Buffer | undefined;
  #nextStream = 1;
  #receivedBytes = 0;
  #settingsSeen: (() => void) | undefined;
  #block: { stream: number; ends: boolean; parts: Buffer[] } | undefined;
  /** The last header block and the last trailer block: nearly always the next one's bytes too. */
  readonly #lastBlocks = [emptyBlock(), emptyBlock()];
  #closing = false;

  private constructor(socket: Socket, user: ConnectionUser) {
    this.#socket = socket;
    this.#user = user;
  }

  /** Connects and waits for the peer's SETTINGS. @throws {Error} of the socket, or when the peer ends the connection first */
  static async open(
    address: { readonly host: string; readonly port: number },
    user: ConnectionUser,
  ): Promise<Connection> {
    const socket = connectSocket(address.port, address.host);
    await once(socket, "connect");
    socket.setNoDelay(true);
    const connection = new Connection(socket, user);
    await connection.#start();
    return connection;
  }

  async #start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#settingsSeen = () => {
      resolve(undefined);
    };
    let failure: Error | undefined;
    this.#socket.on("data", (chunk: Buffer) => {
      this.#read(chunk);
    });
    this.#socket.on("error", (error) => {
      failure = error;
    });
    this.#socket.on("close", () => {
      const reason = this.#closing ? undefined : (failure ?? new Error("the server closed the connection"));
      reject(reason ?? new Error("closed before the first SETTINGS"));
      this.#user.closed(reason);
    });
    const settings = settingsFrame([
      [setting.headerTableBytes, 0],
      [setting.initialWindow, windowMax],
      [2, 0], // SETTINGS_ENABLE_PUSH: none, please.
    ]);
    this.write(Buffer.concat([connectionPreface, settings, windowUpdateFrame(0, windowMax - windowAtStart)]));
    await promise;
  }

  /** The id that the next stream will have. */
  get nextStream(): number {
    return this.#nextStream;
  }

  /** A fresh stream id. */
  takeStream(): number {
    const stream = this.#nextStream;
    assert(stream < windowMax, "a connection has no stream ids left");
    this.#nextStream += 2;
    return stream;
  }

  /** Hands bytes to the socket; `sent` is called when they may be used again. */
  write(bytes: Uint8Array, sent?: () => void): void {
    this.#socket.write(bytes, sent);
  }

  /** Has all that is written until this turn ends leave in one write. */
  gather(): void {
    if (this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    process.nextTick(() => {
      this.#socket.uncork();
    });
  }

  /** Ends the connection; open streams get no outcome. */
  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = 0;
    while (at + frameHeadBytes <= bytes.length) {
      const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#frame(bytes, at, end);
      at = end;
    }
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
    if (this.#receivedBytes > windowMax / 4) this.#topUp();
    this.#user.readDone();
  }

  #frame(bytes: Buffer, at: number, end: number): void {
    const type = bytes.readUInt8(at + 3);
    const flags = bytes[at + 4] ?? 0;
    const stream = bytes.readUInt32BE(at + 5) & windowMax;
    const start = at + frameHeadBytes;
    switch (type) {
      case frameType.data:
        this.#data(bytes, flags, stream, start, end);
        return;
      case frameType.headers:
      case frameType.continuation:
        this.#headerFrame(bytes, type, flags, stream, start, end);
        return;
      case frameType.reset:
        this.#user.reset(stream, bytes.readUInt32BE(start));
        return;
      case frameType.settings:
        this.#settings(bytes, flags, start, end);
        return;
      case frameType.ping:
        if (!(flags & flag.ack)) this.write(frame(frameType.ping, flag.ack, 0, bytes.subarray(start, end)));
        return;
      case frameType.goAway:
        this.#user.goAway(
          bytes.readUInt32BE(start) & windowMax,
          bytes.readUInt32BE(start + 4),
          bytes.toString("utf8", start + 8, end),
        );
        return;
      case frameType.windowUpdate:
        this.#windowUpdate(stream, bytes.readUInt32BE(start) & windowMax);
        return;
      default: // RFC 9113 4.1: unknown types are ignored. PRIORITY and PUSH_PROMISE (switched off) mean nothing to us.
    }
  }

  #data(bytes: Buffer, flags: number, stream: number, start: number, end: number): void {
    this.#receivedBytes += end - start;
    const padding = flags & flag.padded ? 1 + defined(bytes[start], "pad length") : 0;
    const from = flags & flag.padded ? start + 1 : start;
    const to = padding > 0 ? end - (padding - 1) : end;
    if (to > from) this.#user.data(stream, bytes, from, to);
    if (flags & flag.endStream) this.#user.ended(stream);
  }

  #headerFrame(bytes: Buffer, type: number, flags: number, stream: number, start: number, end: number): void {
    let from = start;
    let to = end;
    if (type === frameType.headers) {
      if (flags & flag.padded) {
        to -= defined(bytes[start], "pad length");
        from += 1;
      }
      if (flags & flag.priority) from += 5;
      const ends = (flags & flag.endStream) !== 0;
      if (flags & flag.endHeaders) {
        this.#headers(stream, ends, bytes, from, to);
        return;
      }
      this.#block = { stream, ends, parts: [] };
    }
    const block = defined(this.#block, "header block of a CONTINUATION");
    block.parts.push(Buffer.from(bytes.subarray(from, to)));
    if (!(flags & flag.endHeaders)) return;
    this.#block = undefined;
    const whole = Buffer.concat(block.parts);
    this.#headers(block.stream, block.ends, whole, 0, whole.length);
  }

  #headers(stream: number, ends: boolean, bytes: Buffer, start: number, end: number): void {
    const last = defined(this.#lastBlocks[ends ? 1 : 0], "last block");
    const same = last.bytes.length === end - start && bytes.compare(last.bytes, 0, last.bytes.length, start, end) === 0;
    if (!same) {
      last.bytes = Buffer.from(bytes.subarray(start, end));
      last.fields = decodeHeaders(last.bytes);
    }
    this.#user.headers(stream, last.fields);
    if (ends) this.#user.ended(stream);
  }

  #settings(bytes: Buffer, flags: number, start: number, end: number): void {
    if (flags & flag.ack) return;
    for (let at = start; at + 6 <= end; at += 6) this.#setting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    this.write(frame(frameType.settings, flag.ack, 0));
    this.#settingsSeen?.();
    this.#settingsSeen = undefined;
  }

  #setting(id: number, value: number): void {
    if (id === setting.headerTableBytes) this.peer.headerTableBytes = value;
    if (id === setting.maxStreams) this.peer.maxStreams = value;
    if (id === setting.maxFrameBytes) this.peer.maxFrameBytes = value;
    if (id !== setting.initialWindow) return;
    const growth = value - this.peer.initialWindow;
    this.peer.initialWindow = value;
    this.onInitialWindow(growth);
  }

  #windowUpdate(stream: number, bytes: number): void {
    if (stream === 0) this.sendWindow += bytes;
    this.onWindow(stream, bytes);
  }

  #topUp(): void {
    this.write(windowUpdateFrame(0, this.#receivedBytes));
    this.#receivedBytes = 0;
  }
}

function emptyBlock(): { bytes: Buffer; fields: ReadonlyMap<string, string> } {
  return { bytes: Buffer.alloc(0), fields: new Map() };
}
