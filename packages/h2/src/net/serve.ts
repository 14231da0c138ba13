import type { Socket } from "node:net";
import type { Cancel, Clock, Logger, Random, Timers } from "@saturnmq/kit";
import { defaultLimits, farewellMs, type Limits } from "../core/limits.ts";
import { ChunkPool } from "../core/output.ts";
import { Engine } from "../grpc/engine.ts";
import type { Answers, CertificatePair, Service, Transport } from "../service.ts";
import { FrontDoor } from "./front-door.ts";
import { Link, type LinkRoom } from "./link.ts";

export type ServeOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The port serves TLS beside plaintext with it. */
  readonly tls?: CertificatePair;
  readonly connectionsMax: number;
  /** Connections of one address at once, of one /64 with IPv6. Default: as many as there may be. */
  readonly addressConnectionsMax?: number;
  /** Largest request, bytes, also after inflating. */
  readonly receiveBytesMax: number;
  /** Bounds of a connection that differ from `defaultLimits`. */
  readonly limits?: Partial<Limits>;
  /** Time for a unary request to arrive as a whole, milliseconds. Default 30,000. */
  readonly requestMs?: number;
  /** Memory that unfinished requests may hold, bytes: of one connection, default 64 MiB, and of all, default 256 MiB. */
  readonly connectionMemoryBytes?: number;
  readonly memoryBytes?: number;
  /** Age at which a connection is told to go away, milliseconds, give or take a fifth. Default: none. */
  readonly ageMs?: number;
  /** What a peer that speaks HTTP/1 is told, a line. Default: that this port speaks gRPC. */
  readonly http1Text?: string;
  /** Name of the trailer that carries a `SaturnError`'s code. Default `saturnmq-error-code`. */
  readonly codeTrailer?: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  /** Told of each finished call of services that do not count their own: `/package.Service/Method`, milliseconds, gRPC status number. */
  readonly observe?: (path: string, tookMs: number, grpcStatus: number) => void;
};

/** How often a part of the connections is looked at for their bounds, milliseconds; each is a few times in two seconds, one that ends every time. */
const tickMs = 200;
const parts = 4;
/** At most one line about offenders in so many milliseconds. */
const offenceLogMs = 1_000;

/** Serves gRPC on one port, with and without TLS. @throws {SaturnError} when the port cannot be opened */
export async function serveH2(services: readonly Service[], options: ServeOptions): Promise<Transport> {
  const server = new H2Server(services, options);
  await server.open();
  return server;
}

class H2Server implements Transport {
  port = 0;
  readonly #options: ServeOptions;
  readonly #limits: Limits;
  readonly #engine: Engine;
  readonly #door: FrontDoor;
  readonly #room: LinkRoom;
  readonly #links = new Set<Link>();
  /** Links that ended or are about to. */
  readonly #ending = new Set<Link>();
  #part = 0;
  #offenceLoggedMs = Number.NEGATIVE_INFINITY;
  #offencesUnlogged = 0;
  #dirty: Link[] = [];
  #cancelTick: Cancel | undefined;
  #cancelDeadline: Cancel | undefined;
  #deadlineAtMs = Number.POSITIVE_INFINITY;
  #reading = true;
  #leavingBy: number | undefined;

  constructor(services: readonly Service[], options: ServeOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const { clock, log } = options;
    this.#engine = new Engine(services, {
      clock,
      log,
      limits: this.#limits,
      receiveBytesMax: options.receiveBytesMax,
      requestMs: options.requestMs ?? 30_000,
      connectionMemoryBytes: options.connectionMemoryBytes ?? 64 << 20,
      memoryBytes: options.memoryBytes ?? 256 << 20,
      codeTrailer: options.codeTrailer ?? "saturnmq-error-code",
      observe: options.observe,
      onEarlierDeadline: (atMs) => {
        if (atMs < this.#deadlineAtMs) this.#armDeadline();
      },
    });
    this.#room = {
      engine: this.#engine,
      chunks: new ChunkPool(),
      clock,
      outputMarkBytes: this.#limits.outputMarkBytes,
      onDirty: (link) => {
        if (this.#dirty.push(link) === 1) process.nextTick(this.#flush);
      },
      onEnding: (link) => {
        this.#ending.add(link);
      },
      onClosed: (link) => {
        this.#closed(link);
      },
    };
    this.#door = new FrontDoor({
      host: options.host,
      port: options.port,
      tls: options.tls,
      http1Text: options.http1Text ?? "This port speaks gRPC, over HTTP/2 only.",
      connectionsMax: options.connectionsMax,
      addressConnectionsMax: options.addressConnectionsMax ?? options.connectionsMax,
      handshakeMs: this.#limits.handshakeMs,
      clock,
      log,
      accept: (socket, firstBytes) => {
        this.#accept(socket, firstBytes);
      },
    });
  }

  async open(): Promise<void> {
    this.port = await this.#door.listen();
    this.#armTick();
  }

  get connections(): number {
    return this.#door.connections;
  }

  get calls(): number {
    return this.#engine.streams.open;
  }

  get answers(): Answers {
    return this.#engine;
  }

  setReading(reading: boolean): void {
    this.#reading = reading;
    for (const link of this.#links) link.setReading(reading);
  }

  shed(share: number, overMs: number): void {
    const nowMs = this.#options.clock.monoMs();
    const count = Math.round(share * this.#links.size);
    let nth = 0;
    for (const { connection } of this.#links) {
      if (nth === count) return;
      nth += 1;
      connection.leaveAt(nowMs + (overMs * nth) / count);
    }
  }

  setCertificate(pair: CertificatePair): void {
    this.#door.setCertificate(pair);
  }

  async close(deadlineMs: number): Promise<void> {
    const nowMs = this.#options.clock.monoMs();
    this.#leavingBy = nowMs + deadlineMs - farewellOf(deadlineMs);
    const closed = this.#door.stop();
    for (const link of this.#links) link.leave(nowMs, deadlineMs - farewellOf(deadlineMs));
    const cancel = this.#options.timers.after(deadlineMs, () => {
      this.#door.destroyAll();
    });
    await closed;
    cancel();
    this.#cancelTick?.();
    this.#cancelDeadline?.();
  }

  #accept(socket: Socket, firstBytes: Buffer): void {
    const { ageMs, random, clock } = this.#options;
    const nowMs = clock.monoMs();
    const spread = 0.8 + random.below(4_001) / 10_000;
    const link = new Link(socket, this.#room, ageMs === undefined ? Number.POSITIVE_INFINITY : nowMs + ageMs * spread);
    this.#links.add(link);
    if (firstBytes.length > 0) link.receive(firstBytes);
    else link.flush();
    if (!this.#reading) link.setReading(false);
    if (this.#leavingBy !== undefined) link.leave(nowMs, this.#leavingBy - nowMs);
  }

  #closed(link: Link): void {
    this.#links.delete(link);
    this.#ending.delete(link);
    if (link.cutByUs && link.connection.reason !== "") this.#logOffence(link);
    if (link.connection.abusive) this.#door.blame(link.address);
  }

  /** An offender who comes back again and again fills no log. */
  #logOffence({ connection: { peer, reason } }: Link): void {
    const nowMs = this.#options.clock.monoMs();
    if (nowMs - this.#offenceLoggedMs < offenceLogMs) {
      this.#offencesUnlogged += 1;
      return;
    }
    const others = this.#offencesUnlogged;
    this.#offencesUnlogged = 0;
    this.#offenceLoggedMs = nowMs;
    this.#options.log.info(
      { peer, reason, others },
      "a connection was ended for what it did; others: since the last such line",
    );
  }

  /** One write to each socket that has something to say, after all that now runs has said it. */
  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const link of dirty) link.flush();
  };

  #armTick(): void {
    this.#cancelTick = this.#options.timers.after(tickMs, () => {
      const nowMs = this.#options.clock.monoMs();
      this.#door.tick(nowMs);
      this.#part = (this.#part + 1) % parts;
      for (const link of this.#links) if (link.part % parts === this.#part) link.tick(nowMs);
      for (const link of this.#ending) link.tick(nowMs);
      this.#armTick();
    });
  }

  #armDeadline(): void {
    this.#cancelDeadline?.();
    const { clock, timers } = this.#options;
    this.#deadlineAtMs = this.#engine.nextDeadlineMs;
    if (this.#deadlineAtMs === Number.POSITIVE_INFINITY) return;
    this.#cancelDeadline = timers.after(Math.max(1, this.#deadlineAtMs - clock.monoMs()), () => {
      this.#deadlineAtMs = Number.POSITIVE_INFINITY;
      this.#engine.advance(clock.monoMs());
      this.#armDeadline();
    });
  }
}

/** Part of the time to close that peers have to read how their calls ended. */
function farewellOf(deadlineMs: number): number {
  return Math.min(farewellMs, deadlineMs / 4);
}
