import type { Clock, Logger, Random, Timers } from "@saturnmq/kit";
import type { KeyPair } from "./certificate.ts";

export type TransportOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The port serves TLS beside plaintext with it. */
  readonly tls: KeyPair;
  /** Largest request, bytes. */
  readonly receiveBytesMax: number;
  readonly concurrentStreamsMax: number;
  readonly connectionsMax: number;
  /** Connections of one address at once. By `h2` only. */
  readonly addressConnectionsMax: number;
  /** Memory of one connection, MiB; calls beyond it are refused. */
  readonly connectionMemoryMib: number;
  /** A connection without a call for so long is told to go away. */
  readonly idleMs: number;
  /** Age at which a connection is told to go away, give or take a fifth. By `h2` only. */
  readonly ageMs: number;
  readonly firstBytesTimeoutMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  /** Told of each finished call of services that do not count their own: `/package.Service/Method`, milliseconds, gRPC status number. */
  readonly observe?: (path: string, tookMs: number, grpcStatus: number) => void;
};

/** What a peer that speaks HTTP/1 is told. */
export const http1Text =
  "This port speaks gRPC, over HTTP/2 only. Health and metrics are on the HTTP port (9090 by default).";
