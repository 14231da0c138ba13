import type { Cancel, Timers } from "../clock.ts";
import type { Random } from "../random.ts";

/** How one direction between two hosts behaves. Like TCP it never loses or reorders inside a stream: it delays, stalls and throttles. */
export type Weather = {
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** Bound of the bandwidth of each connection. */
  readonly bytesPerMs: number;
  /** Nothing arrives. What was sent meanwhile arrives after it is over, as if sent again. */
  readonly cut: boolean;
};

/** Data travels in segments of at most this, so that a slow link delivers steadily. */
const segmentBytes = 8_192;

/** What travels in a stream. */
export type Parcel = { readonly kind: "open" | "end" } | { readonly kind: "data"; readonly bytes: Uint8Array };

type Travelling = { readonly parcel: Parcel; readonly arrivesMs: number };

export type PipeOptions = {
  readonly time: Timers & { monoMs(): number };
  readonly random: Random;
  readonly weather: () => Weather;
  /** False when the receiver cannot take it now; it is offered again by `retry`. */
  readonly arrive: (parcel: Parcel) => boolean;
};

/** One direction of one connection: parcels arrive in the order they were sent. */
export class MemoryPipe {
  readonly #options: PipeOptions;
  #travelling: Travelling[] = [];
  #lastArrivalMs = 0;
  #bytes = 0;
  #cancel: Cancel | undefined;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  /** Bytes sent and not delivered. */
  get bytes(): number {
    return this.#bytes;
  }

  send(parcel: Parcel): void {
    if (parcel.kind !== "data" || parcel.bytes.length <= segmentBytes) this.#put(parcel);
    else
      for (let at = 0; at < parcel.bytes.length; at += segmentBytes)
        this.#put({ kind: "data", bytes: parcel.bytes.subarray(at, at + segmentBytes) });
    this.#schedule();
  }

  /** A drawn delay of this direction. */
  latencyMs(): number {
    const { latencyMinMs, latencyMaxMs } = this.#options.weather();
    return latencyMinMs + ((latencyMaxMs - latencyMinMs) * this.#options.random.below(1_000)) / 1_000;
  }

  /** The receiver may take parcels again, or the weather changed: what should have arrived by now comes after another delay. */
  retry(): void {
    const soonest = this.#options.time.monoMs() + this.latencyMs();
    this.#travelling = this.#travelling.map(({ parcel, arrivesMs }) => ({
      parcel,
      arrivesMs: Math.max(arrivesMs, soonest),
    }));
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, soonest);
    this.#cancel?.();
    this.#cancel = undefined;
    this.#schedule();
  }

  /** Drops everything under way. */
  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#travelling = [];
    this.#bytes = 0;
  }

  #put(parcel: Parcel): void {
    const { bytesPerMs } = this.#options.weather();
    const size = parcel.kind === "data" ? parcel.bytes.length : 0;
    const now = this.#options.time.monoMs();
    const arrivesMs = Math.max(now + this.latencyMs(), this.#lastArrivalMs + size / bytesPerMs);
    this.#lastArrivalMs = arrivesMs;
    this.#bytes += size;
    this.#travelling.push({ parcel, arrivesMs });
  }

  #schedule(): void {
    const head = this.#travelling[0];
    if (head === undefined || this.#cancel !== undefined || this.#options.weather().cut) return;
    this.#cancel = this.#options.time.after(Math.max(0, head.arrivesMs - this.#options.time.monoMs()), () => {
      this.#cancel = undefined;
      this.#deliver();
    });
  }

  #deliver(): void {
    const now = this.#options.time.monoMs();
    for (let head = this.#travelling[0]; head !== undefined; head = this.#travelling[0]) {
      if (head.arrivesMs > now || this.#options.weather().cut) break;
      if (!this.#offer(head)) return;
    }
    this.#schedule();
  }

  /** Offers a parcel; of one in four with data only a part, because streams keep no boundaries. */
  #offer({ parcel, arrivesMs }: Travelling): boolean {
    if (parcel.kind !== "data" || parcel.bytes.length < 2 || this.#options.random.below(4) > 0) {
      if (!this.#options.arrive(parcel)) return false;
      this.#travelling.shift();
      if (parcel.kind === "data") this.#bytes -= parcel.bytes.length;
      return true;
    }
    const cut = 1 + this.#options.random.below(parcel.bytes.length - 1);
    if (!this.#options.arrive({ kind: "data", bytes: parcel.bytes.subarray(0, cut) })) return false;
    this.#bytes -= cut;
    this.#travelling[0] = { parcel: { kind: "data", bytes: parcel.bytes.subarray(cut) }, arrivesMs };
    return true;
  }
}
