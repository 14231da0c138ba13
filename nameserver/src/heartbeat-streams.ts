import { type Cancel, SaturnError, type Timers } from "@saturnmq/kit";

/** A broker's open heartbeat stream. */
export type HeartbeatStream = {
  /** A sign of life came over it. */
  heard(): void;
  /** It is gone. */
  closed(): void;
};

type Open = { readonly incarnation: number; readonly end: () => void; readonly waiting: Set<Waiting> };
type Waiting = { readonly alive: () => void; readonly gone: () => void };

/** One more than a process that has ended can have left on its way. */
const heartbeatsOfTheLiving = 2;

/**
 * Which brokers' heartbeat streams are open, to tell a restart from a twin: whoever registers as a broker whose older incarnation still sends
 * over an open stream is another process on a copy of its disk. A stream alone proves nothing, as the end of a machine closes none, nor does one
 * heartbeat, which may be the last that a process sent before it ended. It sends none before the one before is answered; so the second decides, or that
 * none comes within a lease.
 */
export class HeartbeatStreams {
  readonly #timers: Timers;
  readonly #open = new Map<number, Open>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** @param end closes the stream from this side */
  opened(broker: number, incarnation: number, end: () => void): HeartbeatStream {
    const stream: Open = { incarnation, end, waiting: new Set() };
    this.#open.get(broker)?.end();
    this.#open.set(broker, stream);
    return {
      heard: () => {
        for (const { alive } of [...stream.waiting]) alive();
      },
      closed: () => {
        if (this.#open.get(broker) === stream) this.#open.delete(broker);
        for (const { gone } of [...stream.waiting]) gone();
      },
    };
  }

  /**
   * Resolves when no older incarnation of the broker sends any more.
   *
   * @throws {SaturnError} `FORBIDDEN` when one does
   */
  async proveGone(broker: number, incarnation: number, leaseMs: number): Promise<void> {
    const stream = this.#open.get(broker);
    if (stream === undefined || stream.incarnation >= incarnation) return;
    if (!(await this.#stillSends(stream, leaseMs))) return;
    throw new SaturnError(
      "FORBIDDEN",
      `broker ${broker} runs already, as incarnation ${stream.incarnation}, and sends heartbeats: this process has a copy of its data folder; stop one of them`,
    );
  }

  #stillSends(stream: Open, leaseMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      let cancel: Cancel = () => undefined;
      const settle = (sends: boolean): void => {
        cancel();
        stream.waiting.delete(waiting);
        resolve(sends);
      };
      const wait = (): void => {
        cancel();
        cancel = this.#timers.after(leaseMs, () => {
          stream.end();
          settle(false);
        });
      };
      let heard = 0;
      const alive = (): void => {
        heard += 1;
        if (heard === heartbeatsOfTheLiving) settle(true);
        else wait();
      };
      const waiting: Waiting = { alive, gone: () => settle(false) };
      wait();
      stream.waiting.add(waiting);
    });
  }
}
