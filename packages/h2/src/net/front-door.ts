import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { type Clock, type LogFields, type Logger, listenError } from "@saturnmq/kit";
import { AddressShares } from "../core/address-shares.ts";
import { Offenders } from "../core/offenders.ts";
import type { CertificatePair } from "../service.ts";
import { http1Refusal } from "./http1.ts";
import { classify } from "./sniff.ts";

export type FrontDoorOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls: CertificatePair | undefined;
  /** What a peer that speaks HTTP/1 is told. */
  readonly http1Text: string;
  /** Connections at once; one more is closed at once. */
  readonly connectionsMax: number;
  /** Connections of one address at once; one more is closed at once. */
  readonly addressConnectionsMax: number;
  /** A connection that has not said by then what it speaks, or not finished its TLS handshake, is closed. */
  readonly handshakeMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Takes over a connection that speaks HTTP/2, with what was read of it. */
  readonly accept: (socket: Socket, firstBytes: Buffer) => void;
};

/** How long a peer that got an answer may take to read it, milliseconds. */
const lingerMs = 1_000;
/** TLS handshakes at once; they are what costs most before a peer is known. */
const handshakesMax = 256;
/** Of those, of one address. */
const addressHandshakesMax = 192;
/** Connections of offenders that wait to be served; more are closed at once. */
const waitingMax = 1_024;
/** At most one line about refused connections in so many milliseconds. */
const refusalLogMs = 1_000;

/** One listening port; decides by the first bytes what each connection speaks. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;
  readonly #sockets = new Set<Socket>();
  /** Connections that do not speak HTTP/2 yet, and until when they may take. */
  readonly #undecided = new Map<Socket, number>();
  readonly #offenders = new Offenders();
  /** Connections of offenders, of which nothing is read yet, and when they are served. */
  readonly #waiting = new Map<Socket, number>();
  /** Sockets in a TLS handshake by their other end. */
  readonly #securing = new Map<string, { readonly socket: Socket; readonly address: string }>();
  readonly #connectionShares: AddressShares;
  readonly #handshakeShares = new AddressShares(addressHandshakesMax);
  #refusalLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.#connectionShares = new AddressShares(options.addressConnectionsMax);
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server.maxConnections = options.connectionsMax;
    this.#server.on("drop", () => {
      this.#refused({ connectionsMax: options.connectionsMax }, "too many are open");
    });
    this.#tls = options.tls === undefined ? undefined : this.#createTls(options.tls);
  }

  /** The port it listens on. @throws {SaturnError} naming the port and what to do: in use, not allowed, no such address */
  listen(): Promise<number> {
    const { host, port, log } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => {
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

  /** @throws {Error} when the pair cannot be used */
  setCertificate({ certificate, key }: CertificatePair): void {
    this.#tls?.setSecureContext({ cert: certificate, key, minVersion: "TLSv1.2" });
  }

  /** A connection from this address was ended for what it cost: the next ones may have to wait. */
  blame(address: string): void {
    this.#offenders.blame(address, this.#options.clock.monoMs());
  }

  /** Serves those that have waited, and closes connections that take too long to say what they speak. To be called a few times a second. */
  tick(nowMs: number): void {
    for (const [socket, atMs] of this.#waiting) if (atMs <= nowMs) this.#serve(socket, nowMs);
    for (const [socket, byMs] of this.#undecided) if (byMs <= nowMs) socket.destroy();
  }

  /** Accepts no more; connections that have not said what they speak are closed. Resolves when the last socket is closed. */
  stop(): Promise<void> {
    for (const socket of [...this.#undecided.keys(), ...this.#waiting.keys()]) socket.destroy();
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

  #createTls({ certificate, key }: CertificatePair): TlsServer {
    const server = createTlsServer(
      { cert: certificate, key, minVersion: "TLSv1.2", ALPNProtocols: ["h2"] },
      (socket: TLSSocket) => {
        this.#secured(socket);
      },
    );
    // A handshake that fails closes its socket, which is all there is to do about it.
    server.on("tlsClientError", (_error, socket) => {
      socket.destroy();
    });
    return server;
  }

  #accept(socket: Socket): void {
    // A reset by the peer is its business; `close` follows and is what counts.
    socket.on("error", () => undefined);
    // Undefined when the peer is gone already.
    const { remoteAddress: address = "" } = socket;
    if (!this.#connectionShares.take(address)) {
      const { addressConnectionsMax } = this.#options;
      this.#refused({ address, addressConnectionsMax }, "too many of its address are open");
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#connectionShares.release(address);
      this.#sockets.delete(socket);
      this.#undecided.delete(socket);
      this.#waiting.delete(socket);
    });
    const nowMs = this.#options.clock.monoMs();
    const waitMs = this.#offenders.waitMs(address, nowMs);
    if (waitMs === 0) this.#serve(socket, nowMs);
    else if (this.#waiting.size < waitingMax) this.#waiting.set(socket, nowMs + waitMs);
    else socket.destroy();
  }

  #refused(about: LogFields, why: string): void {
    const nowMs = this.#options.clock.monoMs();
    if (nowMs - this.#refusalLoggedMs < refusalLogMs) return;
    this.#refusalLoggedMs = nowMs;
    this.#options.log.warn(about, `connection refused: ${why}`);
  }

  #serve(socket: Socket, nowMs: number): void {
    this.#waiting.delete(socket);
    this.#undecided.set(socket, nowMs + this.#options.handshakeMs);
    this.#readFirstBytes(socket);
  }

  #readFirstBytes(socket: Socket): void {
    let head: Buffer = Buffer.alloc(0);
    const onData = (bytes: Buffer): void => {
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      const kind = classify(head);
      if (kind === "more") return;
      socket.off("data", onData);
      if (kind === "tls") this.#secure(socket, head);
      else this.#decided(socket, kind, head);
    };
    socket.on("data", onData);
  }

  #decided(socket: Socket, kind: "http2" | "http1" | "unknown", head: Buffer): void {
    this.#undecided.delete(socket);
    if (kind === "http2") {
      this.#options.accept(socket, head);
      return;
    }
    if (kind === "unknown") {
      socket.destroy();
      return;
    }
    socket.resume();
    socket.end(http1Refusal(this.#options.http1Text));
    this.#undecided.set(socket, this.#options.clock.monoMs() + lingerMs);
  }

  #secure(socket: Socket, head: Buffer): void {
    const { remoteAddress: address = "" } = socket;
    const isFull = this.#securing.size >= handshakesMax;
    if (this.#tls === undefined || isFull || !this.#handshakeShares.take(address)) {
      socket.destroy();
      return;
    }
    const end = otherEnd(socket);
    this.#securing.set(end, { socket, address });
    socket.once("close", () => {
      if (this.#securing.get(end)?.socket === socket) this.#endHandshake(end);
    });
    socket.pause();
    socket.unshift(head);
    this.#tls.emit("connection", socket);
  }

  #secured(socket: TLSSocket): void {
    socket.on("error", () => undefined);
    const raw = this.#endHandshake(otherEnd(socket));
    if (raw === undefined) {
      socket.destroy();
      return;
    }
    this.#undecided.delete(raw);
    this.#options.accept(socket, Buffer.alloc(0));
  }

  #endHandshake(end: string): Socket | undefined {
    const securing = this.#securing.get(end);
    if (securing === undefined) return undefined;
    this.#securing.delete(end);
    this.#handshakeShares.release(securing.address);
    return securing.socket;
  }
}

function otherEnd(socket: Socket): string {
  return `${socket.remoteAddress ?? ""}:${socket.remotePort ?? 0}`;
}
