/**
 * What the driver needs from the world. The shared log (`@saturnmq/store`) implements `RaftLog`; the broker and the name server
 * implement `GroupMachine`; the simulator implements all of it again on seeded chance.
 *
 * Terms and indexes are integers below 2^53; index 0 and term 0 mean "before the first entry".
 */

/** A Raft group on this process's log; 0 to 65,535. A broker's shard number; the metadata group is alone on its own log, as 0. */
export type GroupId = number;
/** A member of a group: the broker's or name server's replica id, 1 to 2^31 - 1. 0 means nobody. */
export type ReplicaId = number;

/** What the log must remember for a group besides its entries (Raft paper, Figure 2, "persistent state"). */
export type HardState = { readonly term: number; readonly vote: ReplicaId };

/**
 * The content of one entry: records back to back in the layout of `@saturnmq/store` `record.ts`, or nothing (a new leader's first entry).
 *
 * `crc` is the CRC-32 over the records' checks (4 bytes each, in order; a check covers its record without the body, which has its own CRC
 * in the head). `RecordBatch.payload()` computes it; others pass it on.
 * The range must stay unchanged until the entry is applied.
 */
export type Payload = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  readonly crc: number;
};

/**
 * Members of a group. While `outgoing` is not empty it is joint, and every decision needs a majority of both halves (Raft paper §6).
 *
 * Ids are unique in each list. Learners get entries and decide nothing; they are disjoint from `incoming` and `outgoing`. `learnersNext` are
 * voters of `outgoing` that become learners when the joint configuration is left.
 */
export type Configuration = {
  readonly incoming: readonly ReplicaId[];
  readonly outgoing: readonly ReplicaId[];
  readonly learners: readonly ReplicaId[];
  readonly learnersNext: readonly ReplicaId[];
  /** The leader leaves the joint configuration by itself as soon as that is committed. */
  readonly autoLeave: boolean;
  /** Revision of the placement that this configuration walks to; a leader never acts on a lower one. 0: none. */
  readonly revision: number;
};

/** A configuration and the entry that brought it. Index 0: the first one, which no entry brought. */
export type ConfigurationAt = { readonly index: number; readonly configuration: Configuration };

/** What an entry carries: the machine's records (or nothing), or a configuration, in the form of `encodeConfiguration`. */
export type EntryKind = "data" | "configuration";

/**
 * What recovery found of a group. `fetch`: entries that had been durable are lost, hard state is not; the entries come back from the other voters.
 * `rejoin`: a term or vote may be lost too, so this replica id must never vote again.
 */
export type Damage = "no" | "fetch" | "rejoin";

/** Where an entry's payload lies on disk: segment sequence number and byte offset of the payload in that segment's file. */
export type Position = { readonly segment: number; readonly offset: number };

/** The synchronous view of one group's log that the pure core reads. Includes entries staged but not yet durable. */
export interface LogView {
  /** Index of the first entry that can be read; 1 at the start, more after a log start moved up. */
  readonly firstIndex: number;
  /** 0 when empty. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Term of the entry at `index`; also answers for `firstIndex - 1`; `undefined` outside. */
  termAt(index: number): number | undefined;
  /** Payload bytes of an entry; 0 for an empty one; `undefined` outside `firstIndex` to `lastIndex`. */
  bytesAt(index: number): number | undefined;
  /** The newest configuration at or below `index` (default: `lastIndex`) that the log knows; `undefined` when it knows none. */
  configurationAt(index?: number): ConfigurationAt | undefined;
}

/** An entry as replay or a read of the log gives it. */
export type StoredEntry = {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly payload: Payload;
  readonly position: Position;
  /**
   * True when it comes from a sealed segment's summary: each record's body is left out of `payload` (record length, `bodyStart`, `bodyLength`
   * in its head still speak of the full record) and the queue index holds its messages already.
   */
  readonly summary: boolean;
};

/** One log shared by many groups. One writer: the driver. */
export interface RaftLog {
  /** The group's view, created empty at first use. The same object each time. */
  view(group: GroupId): LogView;
  /** What was durable for the group when the log was opened, or saved since. {0, 0} for a new one. */
  hardState(group: GroupId): HardState;
  /**
   * Stages an entry for the next commit. An `index` at or below the last index first discards everything from `index` on; the discard
   * is durable with the same commit, and brings back the configuration before any that it discards.
   *
   * With `configuration` the entry is a configuration entry: `payload` is `undefined`, and the log stores `encodeConfiguration(configuration)`.
   *
   * @throws {RangeError} if `index` would leave a gap
   */
  append(
    group: GroupId,
    index: number,
    term: number,
    payload: Payload | undefined,
    configuration?: Configuration,
  ): void;
  /** Stages a term and vote for the next commit. */
  saveHardState(group: GroupId, state: HardState): void;
  /** Stages the first configuration of a group that has none, as that of index 0; it survives like the hard state. */
  saveConfiguration(group: GroupId, at: ConfigurationAt): void;
  /**
   * Stages that the group's log begins after (`index`, `term`), the state at which its owner has made durable as a checkpoint before. Entries
   * above `index` stay only if the log holds (`index`, `term`); otherwise all are discarded. `configuration` is the one in force at `index`.
   */
  restartAt(group: GroupId, index: number, term: number, configuration: ConfigurationAt): void;
  /** Whether recovery found the group's log to end before entries that had been durable. Stays until `healed`, across restarts. */
  damaged(group: GroupId): Damage;
  /** Stages that the group's log again holds all that it must. */
  healed(group: GroupId): void;
  /** Bytes of payload that can still be staged before a commit must come; an entry always fits an empty stage up to `maxEntryBytes`, and a configuration always. */
  readonly roomBytes: number;
  readonly maxEntryBytes: number;
  /** True between `commit` and its resolution: at most one is in flight. Staging for the next goes on meanwhile. */
  readonly committing: boolean;
  /**
   * Makes everything staged durable in one write. A failed write or sync rejects, and the process must end: it is never retried.
   */
  commit(): Promise<void>;
  /** Where a staged or stored entry's payload lies; `undefined` if not held. Known as soon as `commit` was called. */
  position(group: GroupId, index: number): Position | undefined;
  /** Reads one entry whole, body checks included. @throws if absent or corrupt */
  read(group: GroupId, index: number): Promise<StoredEntry>;
  /** Visits entries [from, to] in order, at start-up; sealed segments come from their summaries. */
  replay(group: GroupId, from: number, to: number, visit: (entry: StoredEntry) => void): Promise<void>;
  /** Tells that the group's entries up to `index` are applied: lets segments be sealed. */
  applied(group: GroupId, index: number): void;
}

/** A snapshot: the state of a group's machine right after the entry at `index`. */
export type SnapshotHead = {
  readonly index: number;
  /** Term of the entry at `index`. */
  readonly term: number;
  /** In force at `index`. */
  readonly configuration: ConfigurationAt;
  /** Names the content: two of one id are equal byte for byte, so that one sender may go on where another broke off. At most 64 characters. */
  readonly id: string;
  /** Length of the content. */
  readonly bytes: number;
};

/** One snapshot at its sender. It stays readable until it is closed, though newer ones be taken meanwhile. */
export interface SnapshotReader {
  readonly head: SnapshotHead;
  /** Reads exactly `length` bytes from `offset`. At most one call at a time. A rejection ends this transfer; another one begins later. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/** Where a leader finds what it sends to followers that its log no longer reaches. */
export interface SnapshotSource {
  /** The newest durable checkpoint of the group; `undefined` when there is none. */
  newest(group: GroupId): Promise<SnapshotReader | undefined>;
}

/** One snapshot on its way in. */
export interface SnapshotWriter {
  /** How many bytes are here already: of an earlier attempt at the same content, else 0. */
  readonly offset: number;
  /** Takes the next bytes, which it may keep. At most one call at a time. A rejection ends this transfer; another one begins later. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * All is here: checks it, and makes it durable as the group's newest checkpoint in one step, so that it is there whole or not at all. A rejection
   * means that the content is bad, and drops it.
   */
  finish(): Promise<void>;
  /** Goes no further for now; what is here may be kept for an attempt to come. After `finish` it changes nothing. */
  close(): void;
}

/** Where a follower puts what it is sent. */
export interface SnapshotSink {
  /** Begins, or goes on with, a snapshot of this content. Whatever another one left unfinished for the group is dropped. */
  begin(group: GroupId, head: SnapshotHead): Promise<SnapshotWriter>;
}

/**
 * An entry at the moment it is applied. `payload` may be used during the call only. A configuration entry comes with an empty one: a machine that
 * counts indexes sees every index, and what the configuration says is the driver's business.
 */
export type AppliedEntry = StoredEntry;

/** The replicated state machine behind one group. All calls come from the driver's turn; none may be re-entered. */
export interface GroupMachine {
  /**
   * The next entry's content, when this replica leads and asked by `Group.wake`. `undefined`: nothing staged.
   * Called at most once a group and commit, right before the write. `maxBytes` bounds the payload.
   */
  gather(maxBytes: number): Payload | undefined;
  /** A committed entry, in index order, exactly once a process life from the index that `open` was given. An empty payload is a new leader's entry. */
  apply(entry: AppliedEntry): void;
  /** All entries of this turn that could be applied have been: answer parked replies, wake waiters. */
  applied(): void;
  /** This replica leads and its first entry of `term` is applied: it may serve. */
  leading(term: number): void;
  /** It does not lead (any more), or hands over. Everything staged but not committed has an unknown outcome. */
  following(leader: ReplicaId): void;
  /**
   * The group's newest checkpoint, as `SnapshotWriter.finish` left it, is the state now: whatever the machine held is outdated. Nothing is applied
   * until the promise resolves; then entries go on at `head.index + 1`. Needed where `GroupOptions.snapshots` is given. A rejection ends the process.
   */
  restore?(head: SnapshotHead): Promise<void>;
}

/**
 * How a driver reaches the same driver on another process. Delivery may fail, repeat, or reorder across links; the core copes.
 * `send` encodes the message before it returns: payloads in it may be overwritten afterwards.
 */
export interface Transport<Message> {
  send(to: ReplicaId, message: Message): void;
}

/** Where later turns of the event loop come from. */
export interface Turn {
  /** Calls `callback` once, in a turn of its own, after the events that wait already. */
  soon(callback: () => void): void;
}
