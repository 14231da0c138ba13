import { limits } from "../protobuf/message-codec.ts";

/** A range of the scanned bytes; `start` is -1 when the field is absent. */
export type Span = { start: number; length: number };

/** A `Timestamp` or `Duration` as it was sent, or absent. */
export type Moment = { present: boolean; seconds: number; nanos: number };

/** A span that is absent. */
export function absentSpan(): Span {
  return { start: -1, length: 0 };
}

/** A moment that is absent. */
export function absentMoment(): Moment {
  return { present: false, seconds: 0, nanos: 0 };
}

/** Makes a span absent again. */
export function clearSpan(span: Span): void {
  span.start = -1;
  span.length = 0;
}

/** Makes a moment absent again. */
export function clearMoment(moment: Moment): void {
  moment.present = false;
  moment.seconds = 0;
  moment.nanos = 0;
}

/** A moment in whole milliseconds, rounded down: since the Unix epoch for a `Timestamp`, else a span of time. */
export function momentMs(moment: Moment): number {
  return moment.seconds * 1_000 + Math.floor(moment.nanos / 1_000_000);
}

/** Up to `limits.entries` spans in order, kept in one typed array. */
export class SpanList {
  count = 0;
  /** Length of all spans together, bytes. */
  bytes = 0;
  readonly #places = new Int32Array(limits.entries * 2);

  clear(): void {
    this.count = 0;
    this.bytes = 0;
  }

  /** False, and nothing added, when the list is full. */
  add(start: number, length: number): boolean {
    if (this.count === limits.entries) return false;
    this.#places[this.count * 2] = start;
    this.#places[this.count * 2 + 1] = length;
    this.count += 1;
    this.bytes += length;
    return true;
  }

  /** @param index below `count` */
  start(index: number): number {
    return this.#places[index * 2] as number;
  }

  /** @param index below `count` */
  length(index: number): number {
    return this.#places[index * 2 + 1] as number;
  }
}
