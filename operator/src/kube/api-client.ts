import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { ApiError } from "./api-error.ts";
import type { Credentials } from "./credentials.ts";

export type CallOptions = {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds until the call is given up; default 30,000. */
  readonly timeoutMs?: number;
};

export type Verb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const defaultTimeoutMs = 30_000;
const answerBytesMax = 64 * 1_024 * 1_024;

/**
 * Calls to one API server: JSON in, JSON out, nothing dropped or renamed on the way. Connections are kept and reused.
 *
 * A watch is silent for as long as nothing changes; it is cut when nothing came for `idleMs`, and the server is asked to end it before.
 */
export class ApiClient implements Disposable {
  readonly #credentials: Credentials;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #secure: boolean;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
    this.#secure = credentials.server.startsWith("https:");
    const { ca, cert, key } = credentials;
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    };
    this.#agent = this.#secure ? new HttpsAgent({ keepAlive: true, ...tls }) : new HttpAgent({ keepAlive: true });
  }

  get namespace(): string {
    return this.#credentials.namespace;
  }

  /** @param path with a slash in front, each part encoded. @throws {ApiError} */
  async call<Reply>(verb: Verb, path: string, options: CallOptions = {}): Promise<Reply> {
    const { timeoutMs = defaultTimeoutMs } = options;
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
    const response = await this.#send(verb, path, { ...options, signal });
    const text = await textOf(response, verb, path);
    if ((response.statusCode ?? 0) >= 300) throw failure(response, verb, path, text);
    return JSON.parse(text) as Reply;
  }

  /**
   * Lines of a stream as they come. Ends with the stream; throws `ApiError` when it breaks.
   *
   * @param idleMs a stream that is silent for so long is taken for dead
   */
  async *lines(path: string, options: CallOptions & { readonly idleMs: number }): AsyncGenerator<string> {
    const response = await this.#send("GET", path, options);
    if ((response.statusCode ?? 0) >= 300) throw failure(response, "GET", path, await textOf(response, "GET", path));
    response.setTimeout(options.idleMs, () => response.destroy(new Error(`silent for ${options.idleMs} ms`)));
    response.setEncoding("utf8");
    let rest = "";
    try {
      for await (const chunk of response as AsyncIterable<string>) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") yield line;
      }
    } catch (error) {
      throw new ApiError(0, `GET ${path}: the stream broke: ${String(error)}`, { cause: error });
    }
  }

  #send(verb: Verb, path: string, { query = {}, body, contentType, signal }: CallOptions): Promise<IncomingMessage> {
    const url = new URL(this.#credentials.server + path);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      ...{ method: verb, agent: this.#agent, headers: this.#headers(payload, contentType) },
      ...(signal === undefined ? {} : { signal }),
    };
    return new Promise((resolve, reject) => {
      const send = this.#secure ? httpsRequest : httpRequest;
      const request = send(url, options, resolve);
      request.on("error", (error) =>
        reject(new ApiError(0, `${verb} ${path}: no answer: ${error.message}`, { cause: error })),
      );
      request.end(payload);
    });
  }

  #headers(payload: string | undefined, contentType = "application/json"): Record<string, string | number> {
    const { token } = this.#credentials;
    return {
      accept: "application/json",
      "user-agent": "saturnmq-operator",
      ...(payload === undefined ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(payload) }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token()}` }),
    };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

async function textOf(response: IncomingMessage, verb: Verb, path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > answerBytesMax) throw new Error(`more than ${answerBytesMax} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw new ApiError(0, `${verb} ${path}: the answer broke off: ${String(error)}`, { cause: error });
  }
  return Buffer.concat(chunks).toString("utf8");
}

function failure(response: IncomingMessage, verb: Verb, path: string, text: string): ApiError {
  const status = response.statusCode ?? 0;
  const seconds = Number(response.headers["retry-after"] ?? Number.NaN);
  return new ApiError(
    status,
    `${verb} ${path}: ${messageOf(text) ?? `status ${status}`}`,
    Number.isNaN(seconds) ? {} : { retryAfterMs: seconds * 1_000 },
  );
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { readonly message?: string };
    return message;
  } catch {
    return text === "" ? undefined : text.slice(0, 1_000);
  }
}
