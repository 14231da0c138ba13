import type { Filter } from "./filter.ts";

/** A message as the state sees it; its bytes stay in the log. */
export type MessageStored = {
  readonly kind: "message";
  readonly timeMs: number;
  readonly topic: number;
  readonly queue: number;
  readonly offset: number;
  /** Wall clock of the leader, milliseconds since the Unix epoch; never goes back within a shard. */
  readonly storedAtMs: number;
};

/** Where a record about deliveries belongs: messages [offset, offset + count) of one queue, for one group. */
type Delivered = {
  readonly timeMs: number;
  readonly group: number;
  readonly topic: number;
  readonly queue: number;
  readonly offset: number;
  readonly count: number;
};

/** A lease of each message of the run until `deadlineMs`; message `offset + i` has the sequence (term, counter + i). */
export type Leased = Delivered & {
  readonly kind: "leased" | "visibilityChanged";
  readonly deadlineMs: number;
  readonly term: number;
  readonly counter: number;
  readonly attempt: number;
  /** Deadline of the handle that this replaces, whose own record may be lost; 0 for none. */
  readonly replacedMs: number;
  /** Which messages of the group come one after another with this one (`lockOf`); 0: it is in no order. Of a `leased` alone. */
  readonly lock: number;
  /** Who asked for it (`holderOf`); 0: not told. Of a `leased` alone. */
  readonly holder: number;
};

/** Finished messages: acknowledged, wanted by no filter of the group, or given up after the maximum of attempts. */
export type Finished = Delivered & { readonly kind: "acked" | "skipped" | "parked" };

/**
 * A message that its group has given up, finished there and stored among the group's dead letters: `topic`, `queue` and `offset` are its place
 * among them, `source` the one that it had.
 */
export type DeadLettered = Omit<MessageStored, "kind"> & {
  readonly kind: "deadLettered";
  readonly source: { readonly group: number; readonly topic: number; readonly queue: number; readonly offset: number };
};

/** A group begins on a queue, chosen once. On a cursor that exists it begins anew under a newer epoch. */
export type CursorStarted = {
  readonly kind: "cursorStarted";
  readonly timeMs: number;
  readonly group: number;
  readonly topic: number;
  readonly queue: number;
  readonly offset: number;
  readonly epoch: number;
};

/** Messages of a queue below `offset` are no longer kept. */
export type Trimmed = {
  readonly kind: "trimmed";
  readonly timeMs: number;
  readonly topic: number;
  readonly queue: number;
  readonly offset: number;
};

/** Entries of the shard's log below `index` are no longer needed. */
export type LogStartRaised = { readonly kind: "logStartRaised"; readonly timeMs: number; readonly index: number };
export type TopicDeleted = { readonly kind: "topicDeleted"; readonly timeMs: number; readonly topic: number };
export type GroupDeleted = { readonly kind: "groupDeleted"; readonly timeMs: number; readonly group: number };

/** A group reads a topic with a filter: from now on nothing that it wants is skipped. */
export type FilterAdded = {
  readonly kind: "filterAdded";
  readonly timeMs: number;
  readonly group: number;
  readonly topic: number;
  /** Free among the group's filters on the topic. */
  readonly number: number;
  readonly filter: Filter;
};

/** Nobody reads with the filter of this number any more. */
export type FilterRemoved = {
  readonly kind: "filterRemoved";
  readonly timeMs: number;
  readonly group: number;
  readonly topic: number;
  readonly number: number;
};

/**
 * One replicated fact of a shard. `timeMs` is shard time: whole milliseconds, never going back from record to record.
 */
export type ShardRecord =
  | MessageStored
  | Leased
  | Finished
  | CursorStarted
  | Trimmed
  | LogStartRaised
  | TopicDeleted
  | GroupDeleted
  | FilterAdded
  | FilterRemoved
  | DeadLettered;

/** The facts that a leader decides without message bytes. */
export type ControlRecord = Exclude<ShardRecord, MessageStored | DeadLettered>;
