import type { Disturbance } from "../process/disturbances.ts";

/** A send's name, which its body carries: sequences are dense from 0 for each producer. */
export type MessageName = { readonly producer: number; readonly sequence: number };

/** `ok`: acknowledged, at `offset` of `queue`, where the client was told that. `fail`: refused, which proves that nothing was stored. `info`: unknown, and nothing follows from it. */
export type SendOutcome =
  | { readonly kind: "ok"; readonly queue?: number; readonly offset: number }
  | { readonly kind: "fail" }
  | { readonly kind: "info" };

/** One send. A producer starts the next one only after this one ended. Times are milliseconds as of `nowMs`. */
export type Send = MessageName & {
  readonly invokedMs: number;
  /** Infinite when nobody knows. */
  readonly endedMs: number;
  readonly outcome: SendOutcome;
  /** Every message group has one producer. */
  readonly messageGroup?: string;
  /** How often its client sent it again by itself, after an attempt without a good answer: so many more times it may be there. */
  readonly repeats?: number;
};

/** What a body turned out to be. */
export type Content =
  | ({ readonly kind: "message" } & MessageName)
  /** It names no send, or differs from what was sent. */
  | { readonly kind: "corrupted"; readonly why: string };

/** A message that somebody got. `queue` is undefined where a client does not tell. */
export type Observation = {
  readonly queue: number | undefined;
  readonly offset: number;
  readonly content: Content;
};

/** One message of a reading; those of one batch came in one answer. */
export type Read = Observation & { readonly queue: number; readonly batch: number };

/** One reader's way through the whole topic, in its order, when all is well again. */
export type Reading = { readonly reader: string; readonly reads: readonly Read[] };

/** A delivery to a consumer group. */
export type Delivery = Observation & {
  readonly consumerGroup: string;
  /** Number of the receive that brought it, unique in the history, and its place in the answer. */
  readonly receive: number;
  readonly position: number;
  readonly invokedMs: number;
  readonly receivedMs: number;
  readonly invisibleMs: number;
  readonly attempt: number;
};

/**
 * What a consumer did with a delivery, which its receive and its position name: one receive may bring the same offset of several queues. `release`: gave it
 * back before its time, or moved that time: then `renewedMs` is how long after the call its lease was to end.
 */
export type Settlement = {
  readonly kind: "ack" | "release" | "deadLetter";
  readonly consumerGroup: string;
  readonly receive: number;
  readonly position: number;
  readonly invokedMs: number;
  readonly endedMs: number;
  readonly outcome: "ok" | "fail" | "info";
  readonly renewedMs?: number;
};

/** Everything that clients did and saw in a run. */
export type History = {
  readonly sends: readonly Send[];
  readonly readings: readonly Reading[];
  readonly deliveries: readonly Delivery[];
  readonly settlements: readonly Settlement[];
  /** What each replica holds, read by offset: all of it, at an equal state. */
  readonly replicas: readonly Reading[];
  /** Consumer groups that were there before the first send and were drained: they must have got everything. */
  readonly drained: readonly string[];
  /** Consumer groups whose leases are durable before anything is delivered: no disturbance excuses two holders. */
  readonly locked: readonly string[];
  /** By queue, the first offset that retention had left when all was read; what lies below may be gone. */
  readonly expired: ReadonlyMap<number, number>;
  readonly disturbances: readonly Disturbance[];
};

/** One send as a text. */
export function nameOf({ producer, sequence }: MessageName): string {
  return `send ${producer}/${sequence}`;
}

/** A place as a text. */
export function placeOf({ queue, offset }: { readonly queue: number | undefined; readonly offset: number }): string {
  return queue === undefined ? `offset ${offset}` : `queue ${queue} offset ${offset}`;
}

/** The first disturbance that falls within a span; `undefined` when none does. */
export function disturbanceWithin(
  disturbances: readonly Disturbance[],
  fromMs: number,
  untilMs: number,
): Disturbance | undefined {
  return disturbances.find((one) => one.fromMs <= untilMs && one.untilMs >= fromMs);
}

/** A list of `key`'s, made when there is none. */
export function listOf<Key, Value>(lists: Map<Key, Value[]>, key: Key): Value[] {
  const list = lists.get(key);
  if (list !== undefined) return list;
  const fresh: Value[] = [];
  lists.set(key, fresh);
  return fresh;
}
