import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Clock } from "@saturnmq/kit";
import { failureOf } from "./failure.ts";
import { AttemptFailed, type Rpc, type RpcStream, type RpcStreamEvents } from "./rpc.ts";

/** Endpoints that hints may add to the configured ones. */
const channelsMax = 16;

const options = {
  // A view of a large cluster comes in one message.
  "grpc.max_receive_message_length": 64 * 1_024 * 1_024,
  "grpc.max_send_message_length": -1,
  // A proxy for the web is not for brokers.
  "grpc.enable_http_proxy": 0,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // A watch may be silent for hours: only this tells that its other end is gone.
  "grpc.keepalive_time_ms": 1_500,
  "grpc.keepalive_timeout_ms": 1_500,
  "grpc.enable_channelz": 0,
} as const;

/** Calls by gRPC over plaintext connections, one an address, made at first use. */
export function grpcRpc(clock: Clock): Rpc {
  return new GrpcRpc(clock);
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asIs = (bytes: Buffer): Buffer => bytes;

class GrpcRpc implements Rpc {
  readonly #clock: Clock;
  readonly #clients = new Map<string, Client>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  unary(address: string, path: string, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const deadline = Math.ceil(this.#clock.wallMs() + timeoutMs);
    return new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null, reply?: Buffer): void => {
        if (error !== null) reject(new AttemptFailed(failureOf(error, address)));
        else resolve(reply ?? new Uint8Array());
      };
      this.#to(address).makeUnaryRequest(path, asBuffer, asIs, request, new Metadata(), { deadline }, answered);
    });
  }

  stream(address: string, path: string, { message, ended }: RpcStreamEvents): RpcStream {
    // A stream of replies to one request looks the same on the wire: a request, and the end of requests.
    const call = this.#to(address).makeBidiStreamRequest(path, asBuffer, asIs, new Metadata(), {});
    let over = false;
    const once = (failure: Parameters<RpcStreamEvents["ended"]>[0]): void => {
      if (over) return;
      over = true;
      ended(failure);
    };
    call.on("data", (bytes: Buffer) => {
      try {
        if (!over) message(bytes);
      } catch (error) {
        if (!(error instanceof AttemptFailed)) throw error;
        once(error.failure);
        call.cancel();
      }
    });
    call.on("error", (error: ServiceError) => {
      once(failureOf(error, address));
    });
    call.on("end", () => {
      once(undefined);
    });
    return {
      send: (bytes) => {
        call.write(bytes);
      },
      finish: () => {
        call.end();
      },
      cancel: () => {
        call.cancel();
      },
    };
  }

  #to(address: string): Client {
    const known = this.#clients.get(address);
    // Used last, given up last.
    if (known !== undefined) this.#clients.delete(address);
    const client = known ?? new Client(address, credentials.createInsecure(), options);
    this.#clients.set(address, client);
    if (this.#clients.size > channelsMax) this.#giveUpOldest();
    return client;
  }

  #giveUpOldest(): void {
    for (const [address, client] of this.#clients) {
      client.close();
      this.#clients.delete(address);
      return;
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
