import { listenError } from "@saturnmq/kit";
import { fastify } from "fastify";
import { type MetricsSource, openMetrics } from "./metrics.ts";

export type HttpOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Why the broker does not serve; empty when it does. */
  readonly notReady: () => readonly string[];
  readonly metrics: MetricsSource;
};

export type RunningHttp = {
  readonly port: number;
  close(): Promise<void>;
};

const requestTimeoutMs = 5_000;
const bodyBytesMax = 1_024;

/**
 * `/healthz`: the process lives; `/readyz`: it serves, else 503 and why; `/metrics`: Prometheus text.
 *
 * @throws {SaturnError} when the port cannot be opened
 */
export async function serveHttp(options: HttpOptions): Promise<RunningHttp> {
  const registry = openMetrics(options.metrics);
  const app = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
  });
  app.get("/healthz", () => ({ status: "alive" }));
  app.get("/readyz", (_request, reply) => {
    const reasons = options.notReady();
    return reasons.length === 0 ? { status: "ready" } : reply.code(503).send({ status: "not ready", reasons });
  });
  app.get("/metrics", async (_request, reply) => {
    const text = await registry.metrics();
    return reply.header("content-type", registry.contentType).send(text);
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `no page ${request.url}: there are /healthz, /readyz and /metrics` }),
  );
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw listenError(error as Error, options.host, options.port);
  }
  const address = app.server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : options.port,
    close: () => app.close(),
  };
}
