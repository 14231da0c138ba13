import { createServer, type ServerResponse } from "node:http";
import { listenError } from "@saturnmq/kit";

export type HttpOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Why the operator cannot work; empty when it can. One that waits to lead can. */
  readonly notReady: () => readonly string[];
  /** Present values by their Prometheus name. */
  readonly gauges: () => Readonly<Record<string, number>>;
};

export type RunningHttp = { readonly port: number; close(): Promise<void> };

const requestTimeoutMs = 5_000;

/** `/healthz`, `/readyz` and `/metrics`. @throws {SaturnError} when the port cannot be opened */
export async function serveHttp(options: HttpOptions): Promise<RunningHttp> {
  const { host, port } = options;
  const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs };
  const server = createServer(timeouts, ({ url = "" }, response) => answer(url, response, options));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(url: string, response: ServerResponse, { notReady, gauges }: HttpOptions): void {
  const reasons = notReady();
  if (url === "/healthz") send(response, 200, { status: "alive" });
  else if (url === "/readyz" && reasons.length === 0) send(response, 200, { status: "ready" });
  else if (url === "/readyz") send(response, 503, { status: "not ready", reasons });
  else if (url === "/metrics") {
    const lines = Object.entries(gauges()).map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}\n`);
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(lines.join(""));
  } else send(response, 404, { error: "there are /healthz, /readyz and /metrics" });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}
