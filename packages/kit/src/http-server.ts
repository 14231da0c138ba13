import { createServer, type Server, type ServerResponse } from "node:http";
import { listenError } from "./listen-error.ts";
import type { Logger } from "./logger.ts";

export type HttpOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Why the process does not serve; empty when it does. */
  readonly notReady: () => readonly string[];
  /** What it shows to Prometheus, in its text format. */
  readonly metrics: () => Promise<string>;
  readonly logger: Logger;
};

export type RunningHttp = { readonly port: number; close(): Promise<void> };

type Answer = { readonly status: number; readonly body: object | string };

const requestTimeoutMs = 5_000;
const prometheusText = "text/plain; version=0.0.4; charset=utf-8";

/**
 * `/healthz`: the process lives; `/readyz`: it serves, else 503 and why; `/metrics`: Prometheus text.
 *
 * @throws {SaturnError} when the port cannot be opened
 */
export async function serveHttp(options: HttpOptions): Promise<RunningHttp> {
  const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs };
  const server = createServer(timeouts, ({ method = "", url = "" }, response) => {
    answerTo(method, url, options).then(
      (answer) => send(response, answer),
      (err: unknown) => {
        options.logger.error({ err, url }, "an HTTP request could not be answered");
        send(response, { status: 500, body: { error: "internal" } });
      },
    );
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

async function answerTo(method: string, url: string, { notReady, metrics }: HttpOptions): Promise<Answer> {
  if (method !== "GET" && method !== "HEAD") return { status: 405, body: { error: "only GET and HEAD are answered" } };
  switch (url.replace(/\?.*$/s, "")) {
    case "/healthz":
      return { status: 200, body: { status: "alive" } };
    case "/readyz": {
      const reasons = notReady();
      if (reasons.length === 0) return { status: 200, body: { status: "ready" } };
      return { status: 503, body: { status: "not ready", reasons } };
    }
    case "/metrics":
      return { status: 200, body: await metrics() };
    default:
      return { status: 404, body: { error: `no page ${url}: there are /healthz, /readyz and /metrics` } };
  }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  const isText = typeof body === "string";
  const type = isText ? prometheusText : "application/json; charset=utf-8";
  const text = isText ? body : JSON.stringify(body);
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) }).end(text);
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
