import { Client, credentials } from "@grpc/grpc-js";

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

/** Plaintext connections to name servers, one an address, made at first use. */
export class Channels {
  readonly #clients = new Map<string, Client>();

  to(address: string): Client {
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
