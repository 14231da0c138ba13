import { connect, createServer, type Server, type Socket } from "node:net";
import { CliError, exitCodes } from "../exit-codes.ts";

/** Where a connection may go. */
export type Backend = { readonly name: string; readonly host: string; readonly port: number };

export type TcpBalancerOptions = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly backends: readonly Backend[];
  /** Whether a backend serves. Asked again and again; whoever does not answer in time does not. */
  readonly probe: (backend: Backend, signal: AbortSignal) => Promise<boolean>;
  readonly probeEveryMs?: number;
  readonly probeTimeoutMs?: number;
};

/** How long a connection may take to come about: on one machine that is at once or never. */
const connectTimeoutMs = 1_000;

type Member = Backend & { serves: boolean; connections: number };

/**
 * Spreads TCP connections over the backends that serve, the one with the fewest first: what a Service does in Kubernetes. Bytes pass untouched, so TLS and
 * HTTP/2 are between client and backend. Connections stay where they are until either side ends them.
 */
export class TcpBalancer implements AsyncDisposable {
  readonly #options: TcpBalancerOptions;
  readonly #members: readonly Member[];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #closing = new AbortController();

  private constructor(options: TcpBalancerOptions) {
    this.#options = options;
    // Taken for serving until the first probe: whoever does not accept is passed over anyway.
    this.#members = options.backends.map((backend) => ({ ...backend, serves: true, connections: 0 }));
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
      void this.#relay(client);
    });
  }

  /** @throws {CliError} when the port cannot be opened */
  static async open(options: TcpBalancerOptions): Promise<TcpBalancer> {
    const balancer = new TcpBalancer(options);
    await balancer.#listen();
    for (const member of balancer.#members) void balancer.#watch(member);
    return balancer;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.#options.port;
  }

  /** Names of the backends that serve, as last probed. */
  get serving(): readonly string[] {
    return this.#members.filter(({ serves }) => serves).map(({ name }) => name);
  }

  /** Ends every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const why = error.code === "EADDRINUSE" ? "another process has it: choose another --grpc-port" : error.message;
        reject(new CliError(exitCodes.failure, `cannot listen on ${host}:${port}: ${why}`, { cause: error }));
      });
      this.#server.listen(port, host, resolve);
    });
  }

  /** Connects a client to the first backend that accepts; hangs up when none does. */
  async #relay(client: Socket): Promise<void> {
    this.#keep(client);
    const order = [...this.#members].sort(
      (a, b) => Number(b.serves) - Number(a.serves) || a.connections - b.connections,
    );
    for (const member of order) {
      if (client.destroyed) return;
      const upstream = await this.#connect(member);
      if (upstream === undefined) {
        member.serves = false;
        continue;
      }
      this.#join(client, upstream, member);
      return;
    }
    client.destroy();
  }

  #connect({ host, port }: Backend): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const upstream = connect({ host, port, noDelay: true });
      const failed = (): void => {
        upstream.destroy();
        resolve(undefined);
      };
      upstream.setTimeout(connectTimeoutMs, failed);
      upstream.once("error", failed);
      upstream.once("connect", () => {
        upstream.setTimeout(0);
        upstream.off("error", failed);
        resolve(upstream);
      });
    });
  }

  #join(client: Socket, upstream: Socket, member: Member): void {
    this.#keep(upstream);
    member.connections += 1;
    upstream.once("close", () => {
      member.connections -= 1;
      client.destroy();
    });
    client.once("close", () => upstream.destroy());
    if (client.destroyed) upstream.destroy();
    client.pipe(upstream).pipe(client);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // Told by "close" as well, and that is what ends the other side.
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#closing.signal.aborted) socket.destroy();
  }

  async #watch(member: Member): Promise<void> {
    const { probe, probeEveryMs = 250, probeTimeoutMs = 1_000 } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const late = AbortSignal.any([signal, AbortSignal.timeout(probeTimeoutMs)]);
      member.serves = await probe(member, late).catch(() => false);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, probeEveryMs);
        timer.unref();
        signal.addEventListener(
          "abort",
          () => {
            clearTimeout(timer);
            resolve();
          },
          { once: true },
        );
      });
    }
  }
}
