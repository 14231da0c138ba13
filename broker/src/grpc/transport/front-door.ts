import { createServer, type Server, type Socket } from "node:net";
import { classify, http1Refusal } from "@saturnmq/h2";
import { type Logger, listenError } from "@saturnmq/kit";

export type FrontDoorOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Connections at once; one more is closed at once. */
  readonly connectionsMax: number;
  /** A connection that has not said by then what it speaks is closed. */
  readonly firstBytesTimeoutMs: number;
  readonly log: Logger;
  /** What a peer that speaks HTTP/1 is told. */
  readonly http1Text: string;
  /** Takes over a connection that speaks HTTP/2 without TLS. The bytes read so far are back in the socket. */
  readonly plain: (socket: Socket) => void;
  /** Takes over a connection that begins a TLS handshake. */
  readonly secure: (socket: Socket) => void;
};

/** How long a peer that got an answer may take to read it. */
const lingerMs = 1_000;

/** One listening port; decides by the first bytes what each connection speaks, and owns all its sockets. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #undecided = new Set<Socket>();

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server.maxConnections = options.connectionsMax;
    this.#server.on("drop", () => {
      options.log.warn({ connectionsMax: options.connectionsMax }, "connection refused: too many are open");
    });
  }

  /** The port it listens on. @throws {SaturnError} naming the port and what to do: in use, not allowed, no such address */
  listen(): Promise<number> {
    const { host, port, log } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        reject(listenError(error, host, port));
      });
      this.#server.listen(port, host, () => {
        this.#server.removeAllListeners("error");
        this.#server.on("error", (err) => {
          log.error({ err }, "accepting a connection failed");
        });
        const address = this.#server.address();
        resolve(address !== null && typeof address === "object" ? address.port : port);
      });
    });
  }

  /** Open connections. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Accepts no more; connections that have not said what they speak are closed. Resolves when the last socket is closed. */
  stop(): Promise<void> {
    for (const socket of this.#undecided) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  /** Closes every connection at once. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    this.#undecided.add(socket);
    // A reset by the peer is its business; `close` follows and is what counts.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#undecided.delete(socket);
    });
    this.#readFirstBytes(socket);
  }

  #readFirstBytes(socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), this.#options.firstBytesTimeoutMs).unref();
    let head: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      for (let chunk = read(socket); chunk !== null; chunk = read(socket)) head = Buffer.concat([head, chunk]);
      const kind = classify(head);
      if (kind === "more") return;
      clearTimeout(timer);
      socket.off("readable", onReadable).off("end", onEnd);
      this.#undecided.delete(socket);
      if (kind === "tls" || kind === "http2") socket.unshift(head);
      this.#dispatch(kind, socket);
    };
    const onEnd = (): void => {
      socket.destroy();
    };
    socket.once("close", () => {
      clearTimeout(timer);
    });
    socket.on("readable", onReadable).on("end", onEnd);
  }

  #dispatch(kind: "tls" | "http2" | "http1" | "unknown", socket: Socket): void {
    if (kind === "tls") this.#options.secure(socket);
    else if (kind === "http2") this.#options.plain(socket);
    else if (kind === "http1") answerHttp1(socket, this.#options.http1Text);
    else socket.destroy();
  }
}

function read(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null;
}

function answerHttp1(socket: Socket, text: string): void {
  socket.resume();
  socket.end(http1Refusal(text));
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once("close", () => {
    clearTimeout(timer);
  });
}
