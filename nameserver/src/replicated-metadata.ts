import { assert, type Clock, defined, SaturnError } from "@saturnmq/kit";
import { RecordBatch, recordAt, recordHeadBytes, walkRecords } from "@saturnmq/store";
import { type ClusterView, unknownLevel, type WatchEvent } from "@saturnmq/wire";
import type { AppliedEntry, Group, GroupMachine, Payload, SnapshotHead } from "raft-ts";
import { apply } from "./domain/apply.ts";
import { Changes } from "./domain/changes.ts";
import { decodeCheckpoint, decodeRecord, encodeCheckpoint, encodeRecord, UnknownFormatError } from "./domain/codec.ts";
import type { Decision } from "./domain/records.ts";
import { initialState, type MetadataState, viewOf } from "./domain/state.ts";

/** Decides over the applied state at the leader's wall clock, milliseconds. May refuse by throwing `SaturnError`. */
export type Decide<Reply> = (state: MetadataState, nowMs: number) => Decision<Reply>;

/** A command on its way, its reply's type forgotten. */
type Command = {
  decide(state: MetadataState, nowMs: number): Decision<unknown>;
  resolve(reply: unknown): void;
  reject(error: unknown): void;
};

/** An entry's place in the log. */
export type LogPoint = { readonly index: number; readonly term: number };

const notServing = "this name server does not lead at the moment: try again, or ask another one";
const unknownOutcome =
  "the name server lost its leader before it could say whether this is done: try again with the same request id";

/**
 * The metadata's state machine behind its Raft group. One command is decided at a time, over applied state only, so that no decision can
 * depend on one that is never committed: changes of metadata are rare, and a commit takes a millisecond or two.
 */
export class ReplicatedMetadata implements GroupMachine {
  readonly #clock: Clock;
  readonly #batch = new RecordBatch(4_096);
  readonly #waiting: Command[] = [];
  readonly #watchers = new Set<(view: ClusterView) => void>();
  readonly #roleWatchers = new Set<(leads: boolean) => void>();
  #changes: Changes;
  #state: MetadataState;
  #group: Group | undefined;
  #committing: { readonly command: Command; readonly reply: unknown; applied: boolean } | undefined;
  #serving = false;
  #shownRevision: number;
  #view: ClusterView | undefined;
  #last: LogPoint = { index: 0, term: 0 };
  readonly #onApplied: (last: LogPoint) => void;
  readonly #installed: () => Promise<Uint8Array>;
  readonly #wakeServed: (() => void)[] = [];

  /**
   * @param checkpoint what `checkpoint` gave, of the index that the group is opened from; `undefined`: from the first record on
   * @param onApplied called after each batch of applied entries with the last one
   * @param installed the checkpoint that came from another member
   * @throws {UnknownFormatError} if the checkpoint is of a newer version, or of a cluster on a feature level that this program does not know
   */
  constructor(
    clock: Clock,
    checkpoint: Uint8Array | undefined,
    onApplied: (last: LogPoint) => void,
    installed: () => Promise<Uint8Array>,
  ) {
    this.#clock = clock;
    this.#onApplied = onApplied;
    this.#installed = installed;
    this.#state = checkpoint === undefined ? initialState() : decodeCheckpoint(checkpoint);
    checkLevelKnown(this.#state);
    this.#shownRevision = this.#state.revision;
    this.#view = viewOf(this.#state);
    this.#changes = new Changes(this.#state.revision);
  }

  /** Where proposals go. Called once, right after the group was opened. */
  attach(group: Group): void {
    assert(this.#group === undefined, "a machine has one group");
    this.#group = group;
  }

  /** Resolves when this replica leads and serves. */
  served(): Promise<void> {
    if (this.#serving) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wakeServed.push(resolve);
    });
  }

  /** True while this replica leads and may decide. */
  get serving(): boolean {
    return this.#serving;
  }

  /** The member that leads, as far as known; 0 for none. */
  get leader(): number {
    return this.#group?.leader ?? 0;
  }

  /** Raft's term, as far as known. */
  get term(): number {
    return this.#group?.term ?? 0;
  }

  /** The applied state, to look at in this turn only. What depends on it goes through `propose`. */
  get state(): Readonly<MetadataState> {
    return this.#state;
  }

  /** Calls `changed` whenever this replica begins or ends to serve, until `signal` aborts. */
  watchRole(changed: (leads: boolean) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#roleWatchers.add(changed);
    signal.addEventListener("abort", () => this.#roleWatchers.delete(changed), { once: true });
  }

  /**
   * What a watcher lacks that has seen a revision of this cluster, in one event; `undefined` when it lacks nothing, or nothing is there yet.
   *
   * @param revision 0: it has seen nothing
   */
  eventSince(revision: number): WatchEvent | undefined {
    const view = this.#view;
    if (view === undefined || revision === view.revision) return undefined;
    const delta = revision === 0 ? undefined : this.#changes.delta(revision, view);
    return delta === undefined ? { kind: "view", view } : { kind: "delta", delta };
  }

  /** The applied state as bytes, after the last entry that `onApplied` told of. */
  checkpoint(): Uint8Array {
    return encodeCheckpoint(this.#state);
  }

  /**
   * Decides a command and resolves with its reply once its records are committed and applied, and watchers know of them.
   *
   * @throws {SaturnError} what `decide` refuses with, or `HA_NOT_AVAILABLE` without a leader
   */
  propose<Reply>(decide: Decide<Reply>): Promise<Reply> {
    if (!this.#serving) return Promise.reject(new SaturnError("HA_NOT_AVAILABLE", notServing));
    return new Promise<Reply>((resolve, reject) => {
      this.#waiting.push({ decide, resolve, reject });
      defined(this.#group, "the metadata group").wake();
    });
  }

  /** Calls `changed` with the present view and every later one until `signal` aborts. */
  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#watchers.add(changed);
    signal.addEventListener("abort", () => this.#watchers.delete(changed), { once: true });
    if (this.#view !== undefined) changed(this.#view);
  }

  gather(maxBytes: number): Payload | undefined {
    if (this.#committing !== undefined) return undefined;
    for (let command = this.#waiting.shift(); command !== undefined; command = this.#waiting.shift()) {
      const payload = this.#payloadOf(command, maxBytes);
      if (payload !== undefined) return payload;
    }
    return undefined;
  }

  /** What the command comes to; `undefined` when it was answered at once. */
  #payloadOf(command: Command, maxBytes: number): Payload | undefined {
    const decision = this.#decided(command);
    if (decision === undefined) return undefined;
    this.#batch.reset();
    for (const record of decision.records) {
      const { kind, version, payload } = encodeRecord(record);
      // `add` may move the batch to a larger buffer, so `bytes` is read after it.
      const start = this.#batch.add(kind, version, payload.length);
      this.#batch.bytes.set(payload, start);
    }
    if (this.#batch.length > maxBytes) {
      command.reject(
        new SaturnError("BAD_REQUEST", `the change takes ${this.#batch.length} bytes, more than one log entry holds`),
      );
      return undefined;
    }
    this.#committing = { command, reply: decision.reply, applied: false };
    return this.#batch.payload();
  }

  #decided(command: Command): Decision<unknown> | undefined {
    try {
      const decision = command.decide(this.#state, this.#clock.wallMs());
      if (decision.records.length > 0) return decision;
      this.#answerFromState(command, decision.reply);
    } catch (error) {
      command.reject(error);
    }
    return undefined;
  }

  /** A reply without records is only as good as this leader's knowledge that there is no newer one. */
  #answerFromState(command: Command, reply: unknown): void {
    if (defined(this.#group, "the metadata group").leaseValid(this.#clock.monoMs())) command.resolve(reply);
    else command.reject(new SaturnError("HA_NOT_AVAILABLE", notServing));
  }

  apply(entry: AppliedEntry): void {
    this.#last = { index: entry.index, term: entry.term };
    const { payload } = entry;
    if (payload.length === 0) return;
    const { bytes } = payload;
    const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    walkRecords(payload, (at, length) => {
      const kind = head.getUint16(at + recordAt.kind, true);
      const version = head.getUint8(at + recordAt.version);
      const record = decodeRecord({ kind, version, payload: bytes.subarray(at + recordHeadBytes, at + length) });
      apply(this.#state, record);
      this.#changes.note(record);
    });
    checkLevelKnown(this.#state);
    // Only this machine's gather fills entries while it leads, one at a time.
    if (this.#committing !== undefined) this.#committing.applied = true;
  }

  applied(): void {
    this.#show();
    const done = this.#committing;
    if (done?.applied === true) {
      this.#committing = undefined;
      done.command.resolve(done.reply);
    }
    if (this.#waiting.length > 0) this.#group?.wake();
    this.#onApplied(this.#last);
  }

  /** This member was so far behind that it got another's checkpoint. Who watches here gets the whole view. */
  async restore({ index, term }: SnapshotHead): Promise<void> {
    this.#state = decodeCheckpoint(await this.#installed());
    checkLevelKnown(this.#state);
    this.#changes = new Changes(this.#state.revision);
    this.#last = { index, term };
    this.#show();
  }

  #show(): void {
    if (this.#shownRevision === this.#state.revision) return;
    this.#shownRevision = this.#state.revision;
    const view = viewOf(this.#state);
    this.#view = view;
    if (view === undefined) return;
    for (const changed of [...this.#watchers]) changed(view);
  }

  leading(): void {
    this.#serving = true;
    for (const wake of this.#wakeServed.splice(0)) wake();
    for (const changed of [...this.#roleWatchers]) changed(true);
  }

  following(): void {
    this.#serving = false;
    const undecided = this.#waiting.splice(0);
    this.#committing?.command.reject(new SaturnError("HA_NOT_AVAILABLE", unknownOutcome));
    this.#committing = undefined;
    for (const command of undecided) command.reject(new SaturnError("HA_NOT_AVAILABLE", notServing));
    for (const changed of [...this.#roleWatchers]) changed(false);
  }
}

/** From such a level on others write what this program may not understand. */
function checkLevelKnown({ featureLevel }: MetadataState): void {
  const why = unknownLevel(featureLevel);
  if (why !== undefined) throw new UnknownFormatError(why);
}
