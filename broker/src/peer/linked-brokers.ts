import type { Clock, Logger, Timers } from "@saturnmq/kit";
import { forward, WireError } from "@saturnmq/wire";
import {
  type AskedEntries,
  type Brokers,
  type BrokersListener,
  type Interest,
  interestKey,
  type LogEntry,
} from "../cluster/ports.ts";
import type { ShardCalls } from "../led-shards.ts";
import { type Ask, type LostCall, RemoteShards } from "./remote-shards.ts";
import { entryOf, interestOf, interestWords } from "./words.ts";

/** What this adapter uses of the links to other brokers. */
export type Links = {
  call(to: number, request: Uint8Array, options: { readonly timeoutMs: number }): Promise<Uint8Array>;
  publish(to: number | "all", key: string, value: Uint8Array | undefined): void;
  connected(id: number): boolean;
};

export type LinkedBrokersOptions = {
  readonly links: Links;
  /** Whether a failed call is proven to have done nothing. */
  readonly provesNothing: (error: unknown) => boolean;
  /** Revision of the metadata that was watched. */
  readonly revision: () => number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
};

/** That something is ready is worth telling for so long, and again after that, while the link lives. */
const readyTimeoutMs = 1_000;
const againMs = 200;
/** Entries are read from the disk, maybe a slow one; nobody waits for them but the replica that lacks them. */
const entriesTimeoutMs = 10_000;
const ledKey = "led";
const fillingKey = "filling";
const waitingPrefix = "waiting ";
const clientPrefix = "client ";
/** Clients name themselves; one with a longer name is known where it is connected. */
const clientIdMax = 200;
const noBytes = new Uint8Array(0);

/** Other brokers over links: calls as forwards, who leads and who waits as soft state that lives as long as the link. */
export class LinkedBrokers implements Brokers {
  readonly #options: LinkedBrokersOptions;
  readonly #remote = new Map<number, RemoteShards>();
  #listener: BrokersListener | undefined;
  /** What was told before anybody listened, by broker and key. */
  readonly #untold = new Map<number, Map<string, Uint8Array>>();
  #armings = 0;

  constructor(options: LinkedBrokersOptions) {
    this.#options = options;
  }

  at(broker: number): ShardCalls {
    const known = this.#remote.get(broker);
    if (known !== undefined) return known;
    const remote = new RemoteShards(this.#askOf(broker), this.#options.clock, this.#options.revision);
    this.#remote.set(broker, remote);
    return remote;
  }

  tellLed(led: ReadonlyMap<number, number>): void {
    const shards = Array.from(led, ([shard, term]) => ({ shard, term }));
    this.#options.links.publish("all", ledKey, forward.LedShards.encode({ shards }));
  }

  arm(broker: number, interest: Interest): void {
    this.#armings += 1;
    const words = forward.WaitingFor.encode(interestWords(interest, this.#armings));
    this.#options.links.publish(broker, waitingPrefix + interestKey(interest), words);
  }

  tellReady(broker: number, interest: Interest): void {
    const request = forward.ForwardRequest.encode({ revision: 0, ready: { waitingFor: interestWords(interest, 0) } });
    void this.#askOf(broker)(request, readyTimeoutMs).then((answer) => {
      if (!(answer instanceof Uint8Array)) this.#armAgain(broker, interest);
    });
  }

  tellFilling(shards: readonly number[]): void {
    this.#options.links.publish("all", fillingKey, forward.FillingShards.encode({ shards }));
  }

  tellClient(clientId: string, present: boolean): void {
    if (Buffer.byteLength(clientId) > clientIdMax) return;
    this.#options.links.publish("all", clientPrefix + clientId, present ? noBytes : undefined);
  }

  async entries(broker: number, asked: AskedEntries): Promise<readonly LogEntry[]> {
    const request = forward.ForwardRequest.encode({ revision: 0, entries: asked });
    const answer = await this.#askOf(broker)(request, entriesTimeoutMs);
    if (!(answer instanceof Uint8Array)) return [];
    try {
      return forward.ForwardReply.decode(answer).entries?.entries.map(entryOf) ?? [];
    } catch (err) {
      if (!(err instanceof WireError)) throw err;
      this.#options.logger.warn({ err, from: broker }, "another broker gave entries that cannot be read");
      return [];
    }
  }

  listen(listener: BrokersListener): void {
    this.#listener = listener;
    for (const [from, entries] of this.#untold) for (const [key, value] of entries) this.peerState(from, key, value);
    this.#untold.clear();
  }

  /** Soft state of another broker: `undefined` when it takes it back. */
  peerState(from: number, key: string, value: Uint8Array | undefined): void {
    const listener = this.#listener;
    if (listener === undefined) {
      this.#keep(from, key, value);
      return;
    }
    try {
      if (key === ledKey) listener.led(from, value === undefined ? new Map() : ledOf(value));
      else if (key === fillingKey) listener.filling(from, value === undefined ? new Set() : fillingOf(value));
      else if (key.startsWith(clientPrefix)) listener.client(from, key.slice(clientPrefix.length), value !== undefined);
      else if (key.startsWith(waitingPrefix) && value !== undefined)
        listener.armed(from, interestOf(forward.WaitingFor.decode(value)));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#options.logger.warn({ err: error, from, key }, "another broker tells what cannot be read");
    }
  }

  linkChanged(broker: number, up: boolean): void {
    if (up) return;
    this.#untold.delete(broker);
    this.#listener?.gone(broker);
  }

  /** Another broker says that something is ready for what receives here wait for. */
  ready(from: number, words: forward.WaitingFor): void {
    this.#listener?.ready(from, interestOf(words));
  }

  #keep(from: number, key: string, value: Uint8Array | undefined): void {
    const entries = this.#untold.get(from) ?? new Map<string, Uint8Array>();
    this.#untold.set(from, entries);
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
  }

  /** An interest is spent only by being heard. With the link it would be gone, and the waiting broker asks anew when that is back. */
  #armAgain(broker: number, interest: Interest): void {
    this.#options.timers.after(againMs, () => {
      if (this.#options.links.connected(broker)) this.#listener?.armed(broker, interest);
    });
  }

  #askOf(broker: number): Ask {
    const { links, provesNothing } = this.#options;
    return async (request, timeoutMs): Promise<Uint8Array | LostCall> => {
      try {
        return await links.call(broker, request, { timeoutMs });
      } catch (cause) {
        return { kind: "lost", outcome: provesNothing(cause) ? "nothing" : "unknown", cause };
      }
    };
  }
}

function fillingOf(value: Uint8Array): ReadonlySet<number> {
  return new Set(forward.FillingShards.decode(value).shards);
}

function ledOf(value: Uint8Array): ReadonlyMap<number, number> {
  return new Map(forward.LedShards.decode(value).shards.map(({ shard, term }) => [shard, term]));
}
