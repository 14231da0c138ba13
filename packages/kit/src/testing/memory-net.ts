import type { Clock, Timers } from "../clock.ts";
import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  type ListenOptions,
  type Net,
  NetError,
} from "../net.ts";
import type { Random } from "../random.ts";
import { MemoryPipe, type Parcel, type Weather } from "./memory-pipe.ts";

const fairWeather: Weather = { latencyMinMs: 0.1, latencyMaxMs: 1, bytesPerMs: 1_000_000, cut: false };
/** What the systems of both sides hold of a connection before its writer has to wait. */
const kernelBytes = 262_144;

export type MemoryNetOptions = {
  readonly time: Clock & Timers;
  readonly random: Random;
};

/**
 * Hosts in memory that reach each other by streams with latency, bounded bandwidth, cuts, resets and half-open connections. Everything that
 * happens follows from the seed of `random` and the calls that were made.
 */
export class MemoryNet {
  readonly #options: MemoryNetOptions;
  readonly #directions = new Map<string, Direction>();
  readonly #listeners = new Map<string, ListenOptions>();
  readonly #connections = new Set<MemoryConnection>();
  #lastPort = 10_000;

  constructor(options: MemoryNetOptions) {
    this.#options = options;
  }

  /** The network as the host of this name sees it. Others dial it by that name. */
  host(name: string): Net {
    return {
      listen: (options) => this.#listen(name, options),
      connect: (target, handler) => this.#connect(name, target, handler),
    };
  }

  /** Changes the direction from one host to another; what is not named stays. */
  setWeather(from: string, to: string, change: Partial<Weather>): void {
    const direction = this.#direction(from, to);
    direction.weather = { ...direction.weather, ...change };
    for (const connection of this.#connections)
      if (connection.host === from && connection.otherHost === to) connection.weatherChanged();
  }

  /** Cuts both directions, or heals them. */
  setCut(a: string, b: string, cut: boolean): void {
    this.setWeather(a, b, { cut });
    this.setWeather(b, a, { cut });
  }

  /** Resets every connection between two hosts, as a middlebox does. */
  reset(a: string, b: string): void {
    for (const connection of [...this.#connections]) {
      if (connection.host === a && connection.otherHost === b) connection.resetBoth();
    }
  }

  /**
   * The host's power is cut: its listeners and connections are gone and are told nothing, nor is the other side, which learns it when it
   * sends something to a host that answers again.
   */
  vanish(name: string): void {
    this.#forgetListeners(name);
    for (const connection of [...this.#connections]) if (connection.host === name) connection.vanish();
  }

  /** The host's processes are killed: its listeners are gone and are told nothing; the other side of each connection is reset. */
  abort(name: string): void {
    this.#forgetListeners(name);
    for (const connection of [...this.#connections]) if (connection.host === name) connection.abort();
  }

  #forgetListeners(name: string): void {
    for (const place of [...this.#listeners.keys()]) if (place.startsWith(`${name}:`)) this.#listeners.delete(place);
  }

  /** Sides of connections that take themselves for open: a whole connection is 2, a half-open one 1. */
  get openSides(): number {
    return [...this.#connections].filter((connection) => connection.open).length;
  }

  async #listen(name: string, options: ListenOptions): Promise<Listener> {
    const port = options.port === 0 ? (this.#lastPort += 1) : options.port;
    const place = `${name}:${String(port)}`;
    if (this.#listeners.has(place)) throw new NetError("inUse", `cannot listen on ${place}: it is in use`);
    this.#listeners.set(place, options);
    return {
      port,
      close: async () => {
        if (this.#listeners.get(place) === options) this.#listeners.delete(place);
      },
    };
  }

  #connect(from: string, to: { readonly host: string; readonly port: number }, handler: ConnectionHandler): Connection {
    const place = `${to.host}:${String(to.port)}`;
    const dialled = this.#newConnection(from, to.host, place);
    const accepted = this.#newConnection(to.host, from, `${from}:${String((this.#lastPort += 1))}`);
    dialled.other = accepted;
    accepted.other = dialled;
    dialled.handler = handler;
    accepted.knock = () => this.#listeners.get(place);
    dialled.begin();
    return dialled;
  }

  #newConnection(host: string, otherHost: string, remote: string): MemoryConnection {
    const direction = this.#direction(host, otherHost);
    const connection = new MemoryConnection({
      ...this.#options,
      host,
      otherHost,
      remote,
      weather: () => direction.weather,
      gone: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    return connection;
  }

  #direction(from: string, to: string): Direction {
    const key = `${from}>${to}`;
    const known = this.#directions.get(key);
    if (known !== undefined) return known;
    const direction = { weather: fairWeather };
    this.#directions.set(key, direction);
    return direction;
  }
}

/** From one host to another. */
type Direction = { weather: Weather };

type ConnectionOptions = MemoryNetOptions & {
  readonly host: string;
  readonly otherHost: string;
  readonly remote: string;
  readonly weather: () => Weather;
  readonly gone: () => void;
};

/** One side of a connection. It sends by its own pipe and receives by that of the other side. */
class MemoryConnection implements Connection {
  readonly remote: string;
  readonly host: string;
  readonly otherHost: string;
  handler: ConnectionHandler | undefined;
  other: MemoryConnection | undefined;
  /** On the accepting side: who listens when the first parcel arrives. */
  knock: (() => ListenOptions | undefined) | undefined;
  readonly #options: ConnectionOptions;
  readonly #pipe: MemoryPipe;
  /** "waiting": dialled and not there yet, or not accepted yet. */
  #state: "waiting" | "open" | "closed" | "vanished" = "waiting";
  #paused = false;
  #mustDrain = false;
  #ended = false;
  #otherEnded = false;
  #endDelivered = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.remote = options.remote;
    this.host = options.host;
    this.otherHost = options.otherHost;
    this.#pipe = new MemoryPipe({
      time: options.time,
      random: options.random,
      weather: options.weather,
      arrive: (parcel) => this.#arrived(parcel),
    });
  }

  begin(): void {
    this.#pipe.send({ kind: "open" });
  }

  get pendingBytes(): number {
    return Math.max(0, this.#pipe.bytes - kernelBytes);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#over || this.#ended) return true;
    for (const bytes of chunks) if (bytes.length > 0) this.#pipe.send({ kind: "data", bytes });
    if (this.pendingBytes > 0) this.#mustDrain = true;
    return !this.#mustDrain;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.other?.weatherChanged();
  }

  end(): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#pipe.send({ kind: "end" });
  }

  destroy(): void {
    if (this.#over) return;
    this.#close(undefined);
    this.#sendReset();
  }

  weatherChanged(): void {
    this.#pipe.retry();
  }

  resetBoth(): void {
    this.other?.reset();
    this.reset();
  }

  vanish(): void {
    this.#state = "vanished";
    this.#pipe.clear();
    this.#options.gone();
  }

  abort(): void {
    this.vanish();
    this.#sendReset();
  }

  /** The other side, or somebody between, says that there is no such connection. */
  reset(code: "reset" | "refused" = "reset"): void {
    if (!this.#over) this.#close(new NetError(code, `connection with ${this.remote} failed: ${code}`));
  }

  get open(): boolean {
    return this.#state === "open";
  }

  get #over(): boolean {
    return this.#state === "closed" || this.#state === "vanished";
  }

  /** A parcel of this side has come to the other one. */
  #arrived(parcel: Parcel): boolean {
    const taken = this.other?.take(parcel) ?? true;
    if (!taken) return false;
    if (parcel.kind === "end") {
      this.#endDelivered = true;
      this.#closeIfBothEnded();
    }
    // The parcel is counted until this call returns, so the writer hears a turn later whether all has left.
    if (this.#mustDrain) this.#later(() => this.#tellDrained());
    return true;
  }

  take(parcel: Parcel): boolean {
    if (this.#over) {
      this.#sendReset();
      return true;
    }
    if (parcel.kind === "open") this.#opened();
    else if (this.#paused) return false;
    else if (parcel.kind === "data") this.handler?.data(parcel.bytes);
    else {
      this.#otherEnded = true;
      this.end();
      this.#closeIfBothEnded();
    }
    return true;
  }

  #opened(): void {
    this.#state = "open";
    if (this.knock === undefined) {
      this.handler?.opened?.();
      return;
    }
    const listener = this.knock();
    if (listener === undefined) {
      this.#state = "closed";
      this.#options.gone();
      this.#sendReset("refused");
      return;
    }
    this.handler = listener.accept(this);
    this.#pipe.send({ kind: "open" });
  }

  #closeIfBothEnded(): void {
    if (this.#otherEnded && this.#endDelivered && !this.#over) this.#close(undefined);
  }

  #close(error: NetError | undefined): void {
    this.#state = "closed";
    this.#pipe.clear();
    this.#options.gone();
    this.#later(() => this.handler?.closed(error));
  }

  /** A reset overtakes what is under way, and is lost while the direction is cut. */
  #sendReset(code: "reset" | "refused" = "reset"): void {
    this.#options.time.after(this.#pipe.latencyMs(), () => {
      if (!this.#options.weather().cut) this.other?.reset(code);
    });
  }

  #tellDrained(): void {
    if (!this.#mustDrain || this.#over || this.#pipe.bytes > 0) return;
    this.#mustDrain = false;
    this.handler?.drained();
  }

  #later(callback: () => void): void {
    this.#options.time.after(0, () => {
      if (this.#state !== "vanished") callback();
    });
  }
}
