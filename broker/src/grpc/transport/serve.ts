import { serveH2 } from "@saturnmq/h2";
import { errorCodeTrailer } from "@saturnmq/wire";
import { http1Text, type TransportOptions } from "./options.ts";
import type { Service, Transport } from "./service.ts";

/** `h2`: our own, `@saturnmq/h2`. `grpc-js`: the reference that ours is compared with. */
export type TransportKind = "h2" | "grpc-js";

const mib = 2 ** 20;

/** Serves on one port, with and without TLS. @throws {SaturnError} when the port cannot be opened */
export async function serve(
  kind: TransportKind,
  services: readonly Service[],
  options: TransportOptions,
): Promise<Transport> {
  if (kind === "h2") return serveOurs(services, options);
  // Loaded only where it is wanted: it takes longer than all of ours.
  const { serveGrpcJs } = await import("./grpc-js.ts");
  return serveGrpcJs(services, options);
}

function serveOurs(services: readonly Service[], options: TransportOptions): Promise<Transport> {
  const { concurrentStreamsMax, idleMs, firstBytesTimeoutMs, connectionMemoryMib } = options;
  return serveH2(services, {
    ...options,
    limits: { concurrentStreamsMax, idleMs, handshakeMs: firstBytesTimeoutMs },
    connectionMemoryBytes: connectionMemoryMib * mib,
    codeTrailer: errorCodeTrailer,
    http1Text,
  });
}
