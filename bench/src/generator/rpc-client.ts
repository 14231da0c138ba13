import { defined } from "@saturnmq/kit";
import { Connection } from "./connection.ts";
import { flag, frame, frameType, grpcMessage, windowMax, windowUpdateFrame } from "./frames.ts";
import { encodeHeaders } from "./hpack.ts";
import { newClientId, requestHeaders } from "./identity.ts";

export type Address = { readonly host: string; readonly port: number };

/** How a call ended: the gRPC status, or why there is none. `unknown` means that the server may have done it. */
export type CallEnd =
  | { readonly kind: "status"; readonly code: number; readonly message: string }
  | { readonly kind: "notProcessed"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

/** A call's answer: the messages that came, and its end. */
export type CallResult = { readonly messages: readonly Buffer[]; readonly end: CallEnd };

type Call = {
  readonly onMessage: ((message: Buffer) => void) | undefined;
  readonly messages: Buffer[];
  readonly resolve: (result: CallResult) => void;
  readonly deadline: NodeJS.Timeout;
  unread: Buffer;
  receivedBytes: number;
  window: number;
  unsent: Buffer;
  endsAfterUnsent: boolean;
  fields: ReadonlyMap<string, string>;
};

/** `clientId`: when the call is another client's than the connection's; a proxy's connection carries calls of many. */
export type StreamOptions = {
  readonly timeoutMs: number;
  readonly halfClose: boolean;
  readonly onMessage: (message: Buffer) => void;
  readonly clientId?: string;
};

type CallOptions = {
  readonly timeoutMs: number;
  readonly halfClose: boolean;
  readonly onMessage: StreamOptions["onMessage"] | undefined;
  readonly clientId: string;
};

/** gRPC status codes (statuscodes.md). */
export const grpcOk = 0;
const refusedStream = 7; // HTTP/2 error code REFUSED_STREAM: not processed (RFC 9113, 8.7).
const cancel = Buffer.from([0, 0, 0, 8]); // HTTP/2 error code CANCEL.
const nothing = Buffer.alloc(0);
/** How much longer than its deadline a call waits for the server's own answer before it gives up, milliseconds. */
const deadlineGraceMs = 1_000;

/**
 * A gRPC client of `MessagingService` on one connection: calls as promises, bodies of any size, flow control of every stream. A promise per
 * call, so for consumers and checkers; the send load has its own path.
 */
export class RpcClient {
  readonly clientId: string;
  readonly address: Address;
  readonly #connection: Connection;
  readonly #calls = new Map<number, Call>();
  readonly #blocks = new HeaderBlocks();
  #closed: Error | undefined;
  #goAwayAfter = windowMax;

  private constructor(address: Address, clientId: string, connection: Connection) {
    this.address = address;
    this.clientId = clientId;
    this.#connection = connection;
  }

  /** Connects. @throws {Error} of the socket */
  static async open(address: Address, clientId: string = newClientId()): Promise<RpcClient> {
    const holder: { client?: RpcClient } = {};
    const user = (): RpcClient => defined(holder.client, "rpc client");
    // A server that is about to stop may say so, or close, with its very first bytes.
    const early: ((client: RpcClient) => void)[] = [];
    const tell = (what: (client: RpcClient) => void): void => {
      if (holder.client === undefined) early.push(what);
      else what(holder.client);
    };
    const connection = await Connection.open(address, {
      data: (stream, bytes, start, end) => {
        user().#data(stream, bytes, start, end);
      },
      headers: (stream, fields) => {
        user().#headers(stream, fields);
      },
      ended: (stream) => {
        user().#ended(stream);
      },
      reset: (stream, errorCode) => {
        const reason = `the server reset the stream, HTTP/2 error ${errorCode}`;
        user().#finish(stream, { kind: errorCode === refusedStream ? "notProcessed" : "unknown", reason });
      },
      readDone: () => undefined,
      goAway: (lastStream, _errorCode, debug) => {
        tell((client) => {
          client.#goAway(lastStream, debug);
        });
      },
      closed: (reason) => {
        tell((client) => {
          client.#close(reason ?? new Error("the connection was closed here"));
        });
      },
    });
    const client = new RpcClient(address, clientId, connection);
    holder.client = client;
    connection.onWindow = (stream, bytes) => {
      client.#window(stream, bytes);
    };
    connection.onInitialWindow = (growth) => {
      for (const call of client.#calls.values()) call.window += growth;
      client.#flush();
    };
    for (const what of early) what(client);
    return client;
  }

  /** Whether new calls can be made: not closed, and the server sent no GOAWAY. */
  get usable(): boolean {
    return this.#closed === undefined && this.#goAwayAfter === windowMax;
  }

  /** Calls that the server allows to be open at once. */
  get maxStreams(): number {
    return this.#connection.peer.maxStreams;
  }

  /** One request, one answer, of `clientId` when the call is another client's. Never rejects: the end tells. */
  unary(method: string, request: Uint8Array, timeoutMs: number, clientId = this.clientId): Promise<CallResult> {
    return this.#call(method, request, { timeoutMs, halfClose: true, onMessage: undefined, clientId });
  }

  /** A stream whose messages are handed to `onMessage`; our side stays open when `halfClose` is false. Resolves when the server ends it. */
  stream(method: string, request: Uint8Array, options: StreamOptions): Promise<CallResult> {
    return this.#call(method, request, { clientId: this.clientId, ...options });
  }

  /** Takes no new calls, and closes once those that are open have ended; streams whose our side is open do not count. */
  retire(): void {
    this.#goAwayAfter = 0;
    this.#closeWhenDrained();
  }

  /** Closes the connection; calls still open end as `unknown`. */
  close(): void {
    this.#connection.close();
  }

  #call(
    method: string,
    request: Uint8Array,
    { timeoutMs, halfClose, onMessage, clientId }: CallOptions,
  ): Promise<CallResult> {
    if (!this.usable) {
      const reason = this.#closed?.message ?? "the server takes no new streams on this connection";
      return Promise.resolve({ messages: [], end: { kind: "notProcessed", reason } });
    }
    const { promise, resolve } = Promise.withResolvers<CallResult>();
    const stream = this.#connection.takeStream();
    const authority = `${this.address.host}:${this.address.port}`;
    const block = this.#blocks.of(method, authority, clientId, timeoutMs);
    this.#connection.gather();
    this.#calls.set(stream, {
      onMessage,
      messages: [],
      resolve,
      deadline: setTimeout(() => {
        this.#giveUp(stream, timeoutMs);
      }, timeoutMs + deadlineGraceMs),
      unread: nothing,
      receivedBytes: 0,
      window: this.#connection.peer.initialWindow,
      unsent: grpcMessage(request),
      endsAfterUnsent: halfClose,
      fields: new Map(),
    });
    this.#connection.write(frame(frameType.headers, flag.endHeaders, stream, block));
    this.#flush();
    return promise;
  }

  /** Sends what the windows allow, oldest call first. */
  #flush(): void {
    for (const [stream, call] of this.#calls) this.#flushCall(stream, call);
  }

  #flushCall(stream: number, call: Call): void {
    const connection = this.#connection;
    while (call.unsent.length > 0) {
      const size = Math.min(call.unsent.length, call.window, connection.sendWindow, connection.peer.maxFrameBytes);
      if (size <= 0) return;
      const last = size === call.unsent.length && call.endsAfterUnsent;
      connection.write(frame(frameType.data, last ? flag.endStream : 0, stream, call.unsent.subarray(0, size)));
      call.unsent = call.unsent.subarray(size);
      call.window -= size;
      connection.sendWindow -= size;
    }
  }

  #window(stream: number, bytes: number): void {
    const call = this.#calls.get(stream);
    if (call !== undefined) call.window += bytes;
    this.#flush();
  }

  #data(stream: number, bytes: Buffer, start: number, end: number): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    call.receivedBytes += end - start;
    if (call.receivedBytes > windowMax / 2) {
      this.#connection.write(windowUpdateFrame(stream, call.receivedBytes));
      call.receivedBytes = 0;
    }
    const arrived = bytes.subarray(start, end);
    let unread = call.unread.length === 0 ? arrived : Buffer.concat([call.unread, arrived]);
    while (unread.length >= 5 && unread.length >= 5 + unread.readUInt32BE(1)) {
      const length = unread.readUInt32BE(1);
      const message = unread.subarray(5, 5 + length);
      if (call.onMessage === undefined) call.messages.push(message);
      else call.onMessage(message);
      unread = unread.subarray(5 + length);
    }
    call.unread = unread;
  }

  #headers(stream: number, fields: ReadonlyMap<string, string>): void {
    const call = this.#calls.get(stream);
    if (call !== undefined) call.fields = fields;
  }

  #ended(stream: number): void {
    const call = this.#calls.get(stream);
    // Our half of a stream that stays open would keep the server's connection from closing.
    if (call?.endsAfterUnsent === false) this.#connection.write(frame(frameType.reset, 0, stream, cancel));
    const fields = call?.fields;
    const status = fields?.get("grpc-status");
    if (status === undefined) {
      const reason = `the stream ended without a gRPC status, HTTP status ${fields?.get(":status") ?? "absent"}`;
      this.#finish(stream, { kind: "unknown", reason });
      return;
    }
    this.#finish(stream, { kind: "status", code: Number(status), message: fields?.get("grpc-message") ?? "" });
  }

  #finish(stream: number, end: CallEnd): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    clearTimeout(call.deadline);
    call.resolve({ messages: call.messages, end });
    this.#closeWhenDrained();
  }

  /** The server that sent GOAWAY waits for us to go (RFC 9113, 6.8); a stream that we hold open is no reason to stay. */
  #closeWhenDrained(): void {
    if (this.#goAwayAfter === windowMax) return;
    for (const call of this.#calls.values()) if (call.endsAfterUnsent) return;
    this.#connection.close();
  }

  #giveUp(stream: number, timeoutMs: number): void {
    this.#connection.write(frame(frameType.reset, 0, stream, cancel));
    this.#finish(stream, { kind: "unknown", reason: `no answer within ${timeoutMs + deadlineGraceMs} ms` });
  }

  #goAway(lastStream: number, debug: string): void {
    this.#goAwayAfter = Math.min(this.#goAwayAfter, lastStream);
    for (const stream of this.#calls.keys()) {
      if (stream > lastStream)
        this.#finish(stream, { kind: "notProcessed", reason: `the server is going away ${debug}` });
    }
    this.#closeWhenDrained();
  }

  #close(reason: Error): void {
    this.#closed = reason;
    for (const stream of this.#calls.keys()) this.#finish(stream, { kind: "unknown", reason: reason.message });
  }
}

/** The last few kinds of calls. */
const blocksMax = 16;

/** Header blocks of calls, kept for a second: then they would tell another time. */
class HeaderBlocks {
  readonly #blocks = new Map<string, Buffer>();
  #second = 0;

  of(method: string, authority: string, clientId: string, timeoutMs: number): Buffer {
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.#second || this.#blocks.size === blocksMax) this.#blocks.clear();
    this.#second = second;
    const key = `${method} ${timeoutMs} ${clientId}`;
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    const headers = requestHeaders(method, authority, clientId, timeoutMs);
    const block = encodeHeaders(headers, new Set(headers.map(([name]) => name))).first;
    this.#blocks.set(key, block);
    return block;
  }
}
