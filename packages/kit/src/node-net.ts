import { connect as connectSocket, createServer, isIP, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  type ListenOptions,
  type Net,
  NetError,
  type NetErrorCode,
} from "./net.ts";

/** First probe of an idle connection by the system. Links that must know sooner probe by themselves. */
const keepAliveMs = 10_000;

const codes: ReadonlyMap<string, NetErrorCode> = new Map([
  ["ECONNREFUSED", "refused"],
  ["ECONNRESET", "reset"],
  ["EPIPE", "reset"],
  ["ETIMEDOUT", "unreachable"],
  ["EHOSTUNREACH", "unreachable"],
  ["ENETUNREACH", "unreachable"],
  ["ENOTFOUND", "unreachable"],
  ["EAI_AGAIN", "unreachable"],
  ["EADDRINUSE", "inUse"],
  ["EACCES", "denied"],
  ["EADDRNOTAVAIL", "address"],
]);

export type NodeNetOptions = {
  /** Where this process listens: it dials from there too, so that a network can tell whose connections they are. Default: whichever the system takes. */
  readonly host?: string;
};

/** TCP of this machine: no delay for small writes, keep-alive, one system call a `write`. */
export function nodeNet({ host: own = "" }: NodeNetOptions = {}): Net {
  // A name, or an address that stands for all, is nothing to dial from.
  const from = isIP(own) === 0 || isWildcard(own) ? {} : { localAddress: own };
  const way = { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs, ...from };
  return {
    listen: (where) => listen(where),
    connect: ({ host, port }, handler) => {
      const socket = connectSocket({ host, port, ...way });
      socket.once("connect", () => handler.opened?.());
      return new NodeConnection(socket, `${host}:${String(port)}`, handler);
    },
  };
}

/** Whether a host stands for all addresses of the machine. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function listen({ host, port, accept, failed }: ListenOptions): Promise<Listener> {
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs };
  const server = createServer(options, (socket) => {
    const remote = `${socket.remoteAddress ?? "unknown"}:${String(socket.remotePort ?? 0)}`;
    const connection = new NodeConnection(socket, remote, undefined);
    connection.handler = accept(connection);
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(netError(error, `cannot listen on ${host}:${String(port)}`));
    });
    server.listen(port, host, () => {
      server.removeAllListeners("error");
      server.on("error", (error) => {
        failed(netError(error, "accepting a connection failed"));
      });
      resolve({ port: portOf(server, port), close: () => closeServer(server) });
    });
  });
}

function portOf(server: Server, asked: number): number {
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : asked;
}

/** Does not wait for `close` of the server: that comes only when its last connection has ended. */
async function closeServer(server: Server): Promise<void> {
  server.close();
  await setImmediate();
}

class NodeConnection implements Connection {
  readonly remote: string;
  handler: ConnectionHandler | undefined;
  readonly #socket: Socket;
  #error: NetError | undefined;

  constructor(socket: Socket, remote: string, handler: ConnectionHandler | undefined) {
    this.#socket = socket;
    this.remote = remote;
    this.handler = handler;
    socket.on("data", (chunk: Buffer) => {
      if (!socket.destroyed) this.handler?.data(chunk);
    });
    socket.on("drain", () => this.handler?.drained());
    socket.on("error", (error) => {
      this.#error = netError(error, `connection with ${remote} failed`);
    });
    socket.on("close", () => this.handler?.closed(this.#error));
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#socket.writableEnded || this.#socket.destroyed) return true;
    if (chunks.length > 1) this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    if (chunks.length > 1) this.#socket.uncork();
    return !this.#socket.writableNeedDrain;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function netError(error: NodeJS.ErrnoException, what: string): NetError {
  return new NetError(codes.get(error.code ?? "") ?? "io", `${what}: ${error.message}`, { cause: error });
}
