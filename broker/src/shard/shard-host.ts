import type { Clock, Logger } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import type { GivenUp } from "../domain/leases.ts";
import type { Totals } from "./totals.ts";

/** A place in a shard's log. */
export type LogPoint = { readonly index: number; readonly term: number };

/** A group's topic of dead letters, and the name of the topic that a message came from. */
export type DeadLetterNames = { readonly id: number; readonly name: string; readonly origin: string };

/** What a shard needs from the process it runs in. */
export type ShardHost = {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly totals: Totals;
  /** Receipt handle keys, newest first; at least one. */
  handleKeys(): readonly DataView[];
  /** Deliveries of one message before it is parked; `undefined` for a group that is not known. */
  maxAttemptsOf(group: number): number | undefined;
  /** Where a group's dead letters go, and what the topic that they come from is called; `undefined`: the group has none. */
  deadLettersOf(group: number, topic: number): DeadLetterNames | undefined;
  /** Messages of the shard have used up their attempts. */
  exhausted(shard: number, givenUp: readonly GivenUp[]): void;
  /** `ShardRuntime.expire` is to be called at this reading of the monotonic clock, or earlier. */
  alarmAt(monoMs: number): void;
  /** A topic, or one group of it, may have messages ready in this shard. */
  ready(topic: number, group: number | undefined): void;
  /** The shard is led and served here from now on, in this term. */
  leading(shard: number, term: number): void;
  /** The state of the shard was replaced by a snapshot's, of this place in the log. */
  restored(at: LogPoint): void;
  /** It is not any more. */
  following(shard: number): void;
  /** The next entry of the shard is on its way to disk. */
  gathered(shard: number): void;
};
