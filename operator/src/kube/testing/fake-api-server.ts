import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Stored = { metadata: { name: string; resourceVersion: string; [key: string]: unknown }; [key: string]: unknown };
type Change = { readonly type: string; readonly object: unknown };
type Fault = { readonly status: number; readonly headers?: Record<string, string> };

/**
 * One collection of objects over real HTTP, with lists in pages, watches, optimistic locking, and faults on demand: what the pieces in this folder must
 * withstand and a real API server shows rarely.
 */
export class FakeApiServer {
  readonly #server: Server;
  readonly #objects = new Map<string, Stored>();
  readonly #watches = new Set<ServerResponse>();
  readonly #history: { readonly version: number; readonly change: Change }[] = [];
  /** Answers for the next calls, in order, instead of what they asked for. */
  readonly faults: Fault[] = [];
  /** Method and path of every call. */
  readonly calls: string[] = [];
  pageSize = Number.POSITIVE_INFINITY;
  #version = 1;
  #forgottenBefore = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.cutWatches();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  put(name: string, fields: Record<string, unknown> = {}): void {
    const known = this.#objects.has(name);
    this.#version += 1;
    const of = { name, namespace: "test", uid: `uid-${name}`, resourceVersion: String(this.#version) };
    const object = { ...fields, metadata: { ...of, managedFields: [{ manager: "somebody" }] } };
    this.#objects.set(name, object);
    this.#tell({ type: known ? "MODIFIED" : "ADDED", object });
  }

  remove(name: string, silently = false): void {
    const object = this.#objects.get(name);
    this.#objects.delete(name);
    this.#version += 1;
    if (!silently && object)
      this.#tell({
        type: "DELETED",
        object: { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } },
      });
  }

  get(name: string): Stored | undefined {
    return this.#objects.get(name);
  }

  get watching(): number {
    return this.#watches.size;
  }

  /** Ends every watch as a broken connection does. */
  cutWatches(): void {
    for (const response of this.#watches) response.destroy();
    this.#watches.clear();
  }

  /** Watches from before now are answered 410. */
  forgetHistory(): void {
    this.#forgottenBefore = this.#version + 1;
    this.#version += 1;
  }

  #tell(change: Change): void {
    this.#history.push({ version: this.#version, change });
    for (const response of this.#watches) response.write(`${JSON.stringify(change)}\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://fake");
    this.calls.push(`${request.method ?? ""} ${url.pathname}${url.searchParams.has("watch") ? "?watch" : ""}`);
    const fault = this.faults.shift();
    if (fault) json(response, fault.status, { message: "a planted fault" }, fault.headers);
    else if (request.method === "GET") this.#read(url, response);
    else await this.#write(request, url, response);
  }

  #read(url: URL, response: ServerResponse): void {
    const name = url.pathname.split("/").at(-1) ?? "";
    if (url.searchParams.get("watch") === "true")
      this.#watch(Number(url.searchParams.get("resourceVersion")), response);
    else if (url.pathname.endsWith("/things") || url.pathname.endsWith("/leases")) this.#list(url, response);
    else if (this.#objects.has(name)) json(response, 200, this.#objects.get(name));
    else json(response, 404, { message: `${name} not found` });
  }

  #list(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get("continue") ?? 0);
    const all = [...this.#objects.values()];
    const until = Math.min(from + this.pageSize, all.length);
    const metadata = {
      resourceVersion: String(this.#version),
      ...(until < all.length ? { continue: String(until) } : {}),
    };
    json(response, 200, { items: all.slice(from, until), metadata });
  }

  #watch(from: number, response: ServerResponse): void {
    if (from < this.#forgottenBefore) {
      json(response, 410, { message: "too old resource version" });
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for (const { version, change } of this.#history) if (version > from) response.write(`${JSON.stringify(change)}\n`);
    this.#watches.add(response);
    response.on("close", () => this.#watches.delete(response));
  }

  async #write(request: IncomingMessage, url: URL, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Stored;
    const { name } = body.metadata;
    const present = this.#objects.get(name);
    const stale = request.method === "PUT" && body.metadata.resourceVersion !== present?.metadata.resourceVersion;
    if (stale || (request.method === "POST" && present)) json(response, 409, { message: `${url.pathname}: conflict` });
    else {
      this.put(name, body);
      json(response, 200, this.#objects.get(name));
    }
  }
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
