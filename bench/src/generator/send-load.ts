import { setTimeout as sleep } from "node:timers/promises";
import type { LatencyHistogram } from "./latency.ts";
import { SendConnection, type SendConnectionUser, sendTimeoutMs } from "./send-connection.ts";
import type { SendFields } from "./send-template.ts";
import { SendTimes } from "./send-times.ts";

/** Before a lost connection is opened again, milliseconds. */
const reconnectPauseMs = 100;
/** How often an open loop looks what has become due, milliseconds: timers are no finer. */
const tickMs = 1;

export type SendLoadOptions = SendFields & {
  /** Requests kept open, or in an open loop the most that may be. */
  readonly inFlight: number;
  /** Of an open loop: requests a second, sent on time whatever became of those before. Absent: a closed loop, each answer starts the next. */
  readonly perSecond?: number;
  /** Of an open loop: a request that could not be written so long after its time is given up and counted as `late`, milliseconds. Default: never. */
  readonly giveUpAfterMs?: number;
  /** Shared by the loads of one run when a receiver wants to know how old messages are. */
  readonly times?: SendTimes;
};

/** What came of the requests so far, over all connections of a load. */
export type SendCounters = {
  /** Requests answered OK, all their messages stored. */
  ok: number;
  /** Replies that were not OK: by RocketMQ code, "grpc N" or "reset N". */
  readonly failures: Map<string, number>;
  /** From the intended time of a request (in a closed loop: when it was written) to its answer. */
  readonly latency: LatencyHistogram;
};

/** Failure that an open loop's client counts for what it could not even write in time. */
export const late = "not written in time";

/**
 * Keeps one connection busy with SendMessage calls, in a closed or an open loop. When the server wants to be rid of the connection (GOAWAY) it
 * goes on with a new one and lets the old one drain; a lost one is opened again.
 */
export class SendLoad {
  readonly #options: SendLoadOptions;
  readonly #counters: SendCounters;
  readonly #times: SendTimes;
  readonly #pace: Pace;
  #current: SendConnection | undefined;
  readonly #connections = new Set<SendConnection>();
  #stopped = false;
  #nowMs = 0;
  #drained: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: SendLoadOptions, counters: SendCounters) {
    this.#options = options;
    this.#counters = counters;
    this.#times = options.times ?? new SendTimes();
    this.#pace = options.perSecond === undefined ? new ClosedPace() : new OpenPace(options.perSecond);
    if (options.perSecond === undefined) return;
    this.#timer = setInterval(() => {
      this.#fill();
    }, tickMs);
  }

  /** Connects and starts to send. @throws {Error} when the server cannot be reached @throws {SaturnError} when its limits do not fit the load */
  static async start(options: SendLoadOptions, counters: SendCounters): Promise<SendLoad> {
    const load = new SendLoad(options, counters);
    try {
      await load.#connect();
    } catch (error) {
      clearInterval(load.#timer);
      throw error;
    }
    load.#pace.start(performance.now());
    load.#fill();
    return load;
  }

  /** Goes on with a new connection, as a client that is started anew; calls that are open end on the old one. */
  async reconnect(): Promise<void> {
    const old = this.#current;
    await this.#connect();
    old?.retire();
    this.#fill();
  }

  /** Sends nothing more, waits until every open call has ended, and closes. Bounded by the calls' deadline. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    const deadline = sleep(sendTimeoutMs, undefined, { ref: false });
    if (this.#open() > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
      await Promise.race([drained, deadline]);
    }
    for (const connection of this.#connections) connection.close();
  }

  async #connect(): Promise<void> {
    const holder: { connection?: SendConnection } = {};
    const user: SendConnectionUser = {
      stored: (intendedMs, nowMs) => {
        this.#counters.ok += 1;
        this.#counters.latency.record(nowMs - intendedMs);
      },
      failed: (reason) => {
        this.#count(reason);
      },
      returned: (intendedMs) => {
        this.#pace.giveBack(intendedMs);
      },
      readDone: () => {
        this.#fill();
      },
      goingAway: () => {
        if (this.#current === holder.connection) this.#replace(0);
      },
      closed: () => {
        if (holder.connection === undefined) return; // It never was one: `open` rejects.
        this.#connections.delete(holder.connection);
        if (this.#current === holder.connection) this.#replace(reconnectPauseMs);
        this.#noticeDrained();
      },
    };
    const connection = await SendConnection.open(this.#options, this.#times, user);
    holder.connection = connection;
    if (this.#stopped) {
      connection.close();
      return;
    }
    this.#connections.add(connection);
    this.#current = connection;
  }

  #replace(pauseMs: number): void {
    this.#current = undefined;
    if (this.#stopped) return;
    void sleep(pauseMs)
      .then(() => (this.#stopped ? undefined : this.#connect()))
      .then(
        () => {
          this.#fill();
        },
        (error: unknown) => {
          this.#count(`cannot connect: ${error instanceof Error ? error.message : String(error)}`);
          this.#replace(reconnectPauseMs);
        },
      );
  }

  #fill(): void {
    if (this.#stopped) {
      this.#noticeDrained();
      return;
    }
    this.#nowMs = performance.now();
    this.#pace.advance(this.#nowMs);
    const { giveUpAfterMs } = this.#options;
    if (giveUpAfterMs !== undefined) this.#count(late, this.#pace.giveUp(this.#nowMs - giveUpAfterMs));
    const connection = this.#current;
    if (connection === undefined) return;
    for (;;) {
      const count = Math.min(this.#pace.due, this.#options.inFlight - this.#open(), connection.room);
      if (count <= 0) return;
      connection.send(count, this.#intendedMs);
    }
  }

  readonly #intendedMs = (): number => this.#pace.take(this.#nowMs);

  #open(): number {
    let open = 0;
    for (const connection of this.#connections) open += connection.open;
    return open;
  }

  #noticeDrained(): void {
    if (this.#stopped && this.#open() === 0) this.#drained?.();
  }

  #count(reason: string, times = 1): void {
    if (times > 0) this.#counters.failures.set(reason, (this.#counters.failures.get(reason) ?? 0) + times);
  }
}

/** When requests are meant to be sent. */
interface Pace {
  start(nowMs: number): void;
  /** Time has gone on. */
  advance(nowMs: number): void;
  /** Requests whose time has come. */
  readonly due: number;
  /** Takes the oldest of them. @returns its intended time */
  take(nowMs: number): number;
  /** One that was taken is to be sent again. */
  giveBack(intendedMs: number): void;
  /** Drops those meant for before `untilMs`. @returns how many */
  giveUp(untilMs: number): number;
}

/** As soon as there is room. */
class ClosedPace implements Pace {
  readonly due = Number.POSITIVE_INFINITY;
  start(): void {
    // Nothing depends on the time.
  }
  advance(): void {
    // Nothing depends on the time.
  }
  take(nowMs: number): number {
    return nowMs;
  }
  giveBack(): void {
    // Another takes its place.
  }
  giveUp(): number {
    return 0;
  }
}

/** At even distances, whatever became of those before: a server that stalls meets the requests that clients would have sent meanwhile. */
class OpenPace implements Pace {
  readonly #everyMs: number;
  /** Before the start no request is due. */
  #startMs = Number.POSITIVE_INFINITY;
  #taken = 0;
  #came = 0;
  readonly #again: number[] = [];

  constructor(perSecond: number) {
    this.#everyMs = 1_000 / perSecond;
  }

  get due(): number {
    return this.#came - this.#taken + this.#again.length;
  }

  start(nowMs: number): void {
    this.#startMs = nowMs;
  }

  advance(nowMs: number): void {
    this.#came = Math.max(0, Math.floor((nowMs - this.#startMs) / this.#everyMs));
  }

  take(): number {
    const again = this.#again.pop();
    if (again !== undefined) return again;
    this.#taken += 1;
    return this.#startMs + this.#taken * this.#everyMs;
  }

  giveBack(intendedMs: number): void {
    this.#again.push(intendedMs);
  }

  giveUp(untilMs: number): number {
    const last = Math.min(this.#came, Math.floor((untilMs - this.#startMs) / this.#everyMs));
    const dropped = Math.max(0, last - this.#taken);
    this.#taken += dropped;
    return dropped;
  }
}
