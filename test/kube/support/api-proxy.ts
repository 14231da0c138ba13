import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, type Server, request as secureRequest } from "node:https";

export type ApiProxyOptions = {
  /** Folder of the control plane's certificates and keys. */
  readonly pki: string;
  readonly port: number;
  readonly apiServerPort: number;
  /** Told of a write that the API server has answered, `PATCH /api/v1/…`: true keeps the answer from whoever wrote. */
  readonly written: (write: string) => boolean;
};

const reads = new Set(["GET", "HEAD"]);

/** Between a client and the API server: passes everything on, and can take a client away in the moment after a write, before it learns of it. */
export class ApiProxy {
  readonly #options: ApiProxyOptions;
  readonly #server: Server;
  readonly #agent: Agent;

  private constructor(options: ApiProxyOptions) {
    this.#options = options;
    const pki = (name: string): Buffer => readFileSync(`${options.pki}/${name}`);
    this.#agent = new Agent({ keepAlive: true, ca: pki("ca.crt") });
    this.#server = createServer({ key: pki("apiserver.key"), cert: pki("apiserver.crt") }, (incoming, response) =>
      this.#pass(incoming, response),
    );
  }

  static async open(options: ApiProxyOptions): Promise<ApiProxy> {
    const proxy = new ApiProxy(options);
    proxy.#server.listen(options.port, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  #pass(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = "GET", url = "/", headers } = incoming;
    const { apiServerPort: port, written } = this.#options;
    const passed = secureRequest({ host: "127.0.0.1", port, method, path: url, headers, agent: this.#agent });
    passed.on("error", () => response.destroy());
    passed.on("response", (answer) => {
      answer.on("error", () => response.destroy());
      const isDone = (answer.statusCode ?? 500) < 300;
      if (isDone && !reads.has(method) && written(`${method} ${url.split("?")[0] ?? ""}`)) response.destroy();
      else answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers));
    });
    response.on("close", () => passed.destroy());
    incoming.pipe(passed);
  }
}
