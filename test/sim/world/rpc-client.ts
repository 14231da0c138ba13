import { type Cancel, type Connection, type ErrorCode, type Net, SaturnError, type Timers } from "@saturnmq/kit";
import { AttemptFailed, type Failure, type Rpc, type RpcStream, type RpcStreamEvents } from "@saturnmq/metadata-client";
import { decodeEnd, FrameReader, frameKind, writeFrame } from "./rpc-frames.ts";

/** As the keepalive of the gRPC client: a stream may be silent for hours, and only this tells that its other end is gone. */
const pingEveryMs = 1_500;

/** Name servers over the simulated network, one connection a call: what gRPC does for them, without HTTP/2. */
export function simulatedRpc(net: Net, timers: Timers): Rpc {
  const open = new Set<Call>();
  const begin = (address: string, path: string, events: RpcStreamEvents): Call => {
    const call: Call = new Call(net, timers, address, path, {
      ...events,
      ended: (failure) => {
        open.delete(call);
        events.ended(failure);
      },
    });
    open.add(call);
    return call;
  };
  return {
    unary: (address, path, request, timeoutMs) =>
      new Promise((resolve, reject) => {
        let reply: Uint8Array | undefined;
        const call = begin(address, path, {
          message: (bytes) => {
            reply = bytes;
          },
          ended: (failure) => {
            cancel();
            if (failure === undefined && reply !== undefined) resolve(reply);
            else reject(new AttemptFailed(failure ?? passing(address, "nothing was answered")));
          },
        });
        const cancel = timers.after(timeoutMs, () => {
          call.fail(passing(address, `no answer within ${timeoutMs} ms`));
        });
        call.send(request);
        call.finish();
      }),
    stream: (address, path, events) => {
      const call = begin(address, path, events);
      call.keepAlive();
      return call;
    },
    close: () => {
      for (const call of [...open]) call.cancel();
    },
  };
}

function passing(address: string, reason: string): Failure {
  return { kind: "passing", reason: `${address}: ${reason}`, leader: undefined };
}

class Call implements RpcStream {
  readonly #address: string;
  readonly #timers: Timers;
  readonly #events: RpcStreamEvents;
  readonly #connection: Connection;
  #failure: Failure | undefined;
  #inOrder = false;
  #over = false;
  #heard = true;
  #cancelPing: Cancel = () => undefined;

  constructor(net: Net, timers: Timers, address: string, path: string, events: RpcStreamEvents) {
    this.#address = address;
    this.#timers = timers;
    this.#events = events;
    const reader = new FrameReader((kind, payload) => this.#take(kind, payload));
    const [host = "", port = ""] = address.split(":");
    this.#connection = net.connect(
      { host, port: Number(port) },
      {
        data: (chunk) => reader.add(chunk),
        drained: () => undefined,
        closed: (error) => this.#closed(error),
      },
    );
    writeFrame(this.#connection, frameKind.call, new TextEncoder().encode(path));
  }

  send(bytes: Uint8Array): void {
    writeFrame(this.#connection, frameKind.message, bytes);
  }

  finish(): void {
    writeFrame(this.#connection, frameKind.finish);
  }

  cancel(): void {
    this.fail(passing(this.#address, "it was given up here"));
  }

  fail(failure: Failure): void {
    this.#failure ??= failure;
    this.#connection.destroy();
  }

  keepAlive(): void {
    this.#cancelPing = this.#timers.after(pingEveryMs, () => {
      if (!this.#heard) return this.fail(passing(this.#address, "it is silent"));
      this.#heard = false;
      writeFrame(this.#connection, frameKind.ping);
      this.keepAlive();
    });
  }

  #take(kind: number, payload: Uint8Array): void {
    this.#heard = true;
    if (kind === frameKind.message) this.#message(payload);
    if (kind !== frameKind.end) return;
    const failure = decodeEnd(payload);
    if (failure === undefined) this.#inOrder = true;
    else {
      const { code, details, leader } = failure;
      this.#failure ??=
        code === "HA_NOT_AVAILABLE"
          ? { kind: "passing", reason: `${this.#address}: ${details}`, leader }
          : { kind: "refused", error: new SaturnError(code as ErrorCode, details) };
    }
    this.#connection.destroy();
  }

  #message(payload: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#events.message(payload);
    } catch (error) {
      if (!(error instanceof AttemptFailed)) throw error;
      this.fail(error.failure);
    }
  }

  #closed(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelPing();
    const broken = passing(this.#address, error?.message ?? "the connection ended");
    this.#events.ended(this.#failure ?? (this.#inOrder ? undefined : broken));
  }
}
