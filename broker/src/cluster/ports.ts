import { type Filter, filterKey } from "../domain/filter.ts";
import type { ShardCalls } from "../led-shards.ts";

/** The other brokers of the cluster, as far as links to them live. Adapters implement it; without other brokers there is `noBrokers`. */
export interface Brokers {
  /**
   * Calls to one broker. Beyond what the callee throws they throw `NotLedError` when it is proven that it did nothing, and `HA_NOT_AVAILABLE` when
   * what it did is unknown. No call is ever repeated.
   */
  at(broker: number): ShardCalls;
  /** Tells every broker which shards are led here, by term: the whole list each time. */
  tellLed(led: ReadonlyMap<number, number>): void;
  /** Tells a broker that receives wait here for what it may have; it is told once each time that it is armed. */
  arm(broker: number, interest: Interest): void;
  /** Tells a broker that something is ready for an interest that it armed. */
  tellReady(broker: number, interest: Interest): void;
  /** Tells every broker in which shards this one still lacks entries that it must have before it votes: the whole list each time. */
  tellFilling(shards: readonly number[]): void;
  /** Tells every broker that a consumer receives here, or does no more. */
  tellClient(clientId: string, present: boolean): void;
  /** Entries of a shard from a broker's log: consecutive from `from` on, none if it does not hold the first or cannot be asked. */
  entries(broker: number, asked: AskedEntries): Promise<readonly LogEntry[]>;
  /** Who hears what other brokers tell. Called once, before anything else. */
  listen(listener: BrokersListener): void;
}

/** What parked receives wait for. */
export type Interest = { readonly topic: number; readonly group: number; readonly filter: Filter };

/** Entries `from` to `to` of a shard, of so many payload bytes at most, but always one. */
export type AskedEntries = {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
};

/** An entry of a shard's log as one replica gives it to another. `writtenMs`: wall clock of whoever wrote it, milliseconds. */
export type LogEntry = {
  readonly index: number;
  readonly term: number;
  readonly kind: "data" | "configuration";
  readonly payload: {
    readonly bytes: Uint8Array;
    readonly start: number;
    readonly length: number;
    readonly crc: number;
  };
  readonly writtenMs: number;
};

/** What other brokers tell. */
export type BrokersListener = {
  /** A broker leads these shards, by term: the whole list. An empty one when the link to it ended. */
  led(broker: number, led: ReadonlyMap<number, number>): void;
  /** A broker lacks entries of these shards: all of them. */
  filling(broker: number, shards: ReadonlySet<number>): void;
  /** A consumer receives at a broker, or does no more. */
  client(broker: number, clientId: string, present: boolean): void;
  /** A broker waits for what is led here. Holds until it was told, or its link ends. */
  armed(broker: number, interest: Interest): void;
  /** The link to a broker ended: it waits for nothing any more, and tells nothing. */
  gone(broker: number): void;
  /** A broker has something for an interest of ours. */
  ready(broker: number, interest: Interest): void;
};

/** A broker alone. */
export const noBrokers: Brokers = {
  at: () => {
    throw new RangeError("a broker alone calls no other");
  },
  tellLed: () => undefined,
  tellFilling: () => undefined,
  tellClient: () => undefined,
  entries: () => Promise.resolve([]),
  arm: () => undefined,
  tellReady: () => undefined,
  listen: () => undefined,
};

/** One text for each interest: equal interests have equal keys. */
export function interestKey({ topic, group, filter }: Interest): string {
  return `${String(topic)}/${String(group)}/${filterKey(filter)}`;
}
