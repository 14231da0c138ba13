import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { type ServeOptions, serveH2 } from "../net/serve.ts";
import type { CertificatePair, Service, Transport } from "../service.ts";

/** A transport on a free port of this machine, with the real clock and whatever `options` say otherwise. */
export function serveTest(services: readonly Service[], options: Partial<ServeOptions> = {}): Promise<Transport> {
  return serveH2(services, {
    host: "127.0.0.1",
    port: 0,
    connectionsMax: 10_000,
    receiveBytesMax: 1 << 20,
    clock: systemClock(),
    timers: systemTimers(),
    random: new SeededRandom(1),
    log: silentLogger,
    ...options,
  });
}

/** A self-signed certificate for `localhost`, made anew. */
export async function testCertificate(): Promise<CertificatePair> {
  const { default: selfsigned } = await import("selfsigned");
  const pem = await selfsigned.generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] },
    ],
  });
  return { certificate: Buffer.from(pem.cert), key: Buffer.from(pem.private) };
}
