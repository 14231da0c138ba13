import { createServer, type Server, type ServerResponse } from "node:http";
import { listenError } from "@saturnmq/kit";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";

export type HttpOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Why the name server does not serve; empty when it does. */
  readonly notReady: () => readonly string[];
  /** Present values, by camelCase name: `brokersUp` becomes `saturnmq_nameserver_brokers_up`. */
  readonly gauges: () => Readonly<Record<string, number>>;
};

export type RunningHttp = { readonly port: number; close(): Promise<void> };

const requestTimeoutMs = 5_000;

/**
 * `/healthz`: the process lives; `/readyz`: a leader is known, else 503 and why; `/metrics`: Prometheus text.
 *
 * @throws {SaturnError} when the port cannot be opened
 */
export async function serveHttp(options: HttpOptions): Promise<RunningHttp> {
  const registry = openMetrics(options.gauges);
  const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs };
  const server = createServer(timeouts, ({ method = "", url = "" }, response) => {
    void answer(method, url, response, options, registry);
  });
  const port = await listen(server, options);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  method: string,
  url: string,
  response: ServerResponse,
  { notReady }: HttpOptions,
  registry: Registry,
): Promise<void> {
  const reasons = notReady();
  if (method !== "GET") json(response, 405, { error: "only GET is answered" });
  else if (url === "/healthz") json(response, 200, { status: "alive" });
  else if (url === "/readyz" && reasons.length === 0) json(response, 200, { status: "ready" });
  else if (url === "/readyz") json(response, 503, { status: "not ready", reasons });
  else if (url === "/metrics") await metrics(response, registry);
  else json(response, 404, { error: "there are /healthz, /readyz and /metrics" });
}

async function metrics(response: ServerResponse, registry: Registry): Promise<void> {
  const text = await registry.metrics();
  response.writeHead(200, { "content-type": registry.contentType }).end(text);
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}

function listen(server: Server, { host, port }: HttpOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, host, port)));
    server.listen(port, host, () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : port);
    });
  });
}

/** A registry that reads the gauges whenever it is scraped, and the process's own metrics. */
function openMetrics(gauges: () => Readonly<Record<string, number>>): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of Object.keys(gauges())) {
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    new Gauge({
      name: `saturnmq_nameserver_${words.replaceAll(" ", "_")}`,
      help: `Present ${words}.`,
      registers: [registry],
      collect() {
        this.set(gauges()[name] ?? 0);
      },
    });
  }
  return registry;
}
