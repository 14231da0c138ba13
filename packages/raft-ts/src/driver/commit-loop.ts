import type { RaftLog, Turn } from "../ports.ts";

/** What the loop asks of a group. */
export interface LoopMember {
  /** Stages the next entry of at most `maxBytes` payload. True: something was staged. */
  gather(maxBytes: number, nowMs: number): boolean;
  /** Takes note of what it holds now: exactly this is durable when the write that begins has ended. */
  snapshot(): LoopSnapshot;
  /** Entries may have become ready to be applied. */
  apply(): void;
}

export interface LoopSnapshot {
  /** The write that began with this snapshot has ended. */
  durable(nowMs: number): void;
}

export type CommitLoopOptions = {
  readonly log: RaftLog;
  readonly turn: Turn;
  readonly monoMs: () => number;
  /** Runs a callback; whatever it throws ends the process. */
  readonly guard: (callback: () => void) => void;
  /** A write has begun, with all that was staged. */
  readonly writing: () => void;
  /** The log cannot be written. */
  readonly fail: (error: unknown) => void;
};

type Waiting = { readonly frame: number; readonly run: () => void };

/**
 * The one writer of the log: gathers what all groups have staged into one write, at most one in flight.
 *
 * When a write ends the next begins before its outcome is handled, so the disk never waits for the machines. What arrives during a write or one
 * turn of the event loop forms the next one: no timer decides, so a lone request is written at once and a flood in large pieces.
 */
export class CommitLoop {
  readonly #options: CommitLoopOptions;
  /** Groups that may have something to gather, the longest waiting first. */
  readonly #awake = new Set<LoopMember>();
  /** Those of them for whose next record the last write had too little room. */
  readonly #short = new Set<LoopMember>();
  readonly #staged = new Set<LoopMember>();
  readonly #dirty = new Set<LoopMember>();
  #waiting: Waiting[] = [];
  /** Number of the write that is under way, or that ended last. */
  #frame = 0;
  #writing = false;
  #scheduled = false;
  /** What becomes ready to be applied now is applied in this turn. */
  #applying = false;

  constructor(options: CommitLoopOptions) {
    this.#options = options;
  }

  /** The member may have something to gather. It is asked before each write until it has nothing. */
  wake(member: LoopMember): void {
    if (this.#awake.has(member)) return;
    this.#awake.add(member);
    if (!this.#writing) this.#schedule();
  }

  /** The member staged something: it becomes part of the next write, whose number is returned. */
  staged(member: LoopMember): number {
    this.#staged.add(member);
    if (!this.#writing) this.#schedule();
    return this.#frame + 1;
  }

  /** The member may have entries to apply; it does so once in a turn of its own. */
  committed(member: LoopMember): void {
    this.#dirty.add(member);
    if (!this.#applying) this.#schedule();
  }

  /** Runs `callback` when write number `frame` has ended; at once if it has. */
  whenDurable(frame: number, callback: () => void): void {
    if (this.#isDurable(frame)) callback();
    else this.#waiting.push({ frame, run: callback });
  }

  /** Forgets a member that has nothing in a write any more. */
  leave(member: LoopMember): void {
    this.#awake.delete(member);
    this.#short.delete(member);
    this.#dirty.delete(member);
  }

  #isDurable(frame: number): boolean {
    return this.#writing ? frame < this.#frame : frame <= this.#frame;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.turn.soon(() => {
      this.#options.guard(() => {
        this.#scheduled = false;
        if (!this.#writing) this.#writeNext(this.#options.monoMs());
        this.#apply();
      });
    });
  }

  /** Gathers and begins a write if there is anything to write. */
  #writeNext(nowMs: number): void {
    this.#gather(nowMs);
    // Who is still awake then waits for room that only what the log staged by itself (a log start) takes: a write makes it.
    if (this.#staged.size === 0 && this.#awake.size === 0) return;
    const snapshots = Array.from(this.#staged, (member) => member.snapshot());
    this.#staged.clear();
    this.#frame += 1;
    this.#writing = true;
    this.#options.log.commit().then(
      () => {
        this.#options.guard(() => {
          this.#ended(snapshots);
        });
      },
      (error: unknown) => {
        this.#options.fail(error);
      },
    );
    this.#gatherFirst(nowMs);
    this.#options.writing();
  }

  #gather(nowMs: number): void {
    const order = [...this.#awake];
    this.#awake.clear();
    this.#gatherFrom(order, nowMs);
  }

  /** Whom a write had no room for comes first in the next one: else entries from leaders elsewhere, which come while it lasts, could always be before it. */
  #gatherFirst(nowMs: number): void {
    const order = [...this.#short];
    for (const member of order) this.#awake.delete(member);
    this.#gatherFrom(order, nowMs);
  }

  #gatherFrom(order: readonly LoopMember[], nowMs: number): void {
    const { log } = this.#options;
    const served: LoopMember[] = [];
    this.#short.clear();
    for (const member of order) {
      const room = Math.min(log.roomBytes, log.maxEntryBytes);
      if (member.gather(room, nowMs)) served.push(member);
      // Its next record may be larger than what others left of this write.
      else if (room < log.maxEntryBytes) this.#short.add(member);
    }
    for (const member of [...this.#short, ...served]) this.#awake.add(member);
  }

  #ended(snapshots: readonly LoopSnapshot[]): void {
    const nowMs = this.#options.monoMs();
    this.#writing = false;
    const done = this.#frame;
    this.#writeNext(nowMs);
    this.#runWaiting(done);
    this.#applying = true;
    for (const snapshot of snapshots) snapshot.durable(nowMs);
    this.#apply();
    this.#continue();
  }

  /** What came up while the end of a write was handled must not wait for an event from outside. */
  #continue(): void {
    if (!this.#writing && (this.#staged.size > 0 || this.#awake.size > 0)) this.#schedule();
  }

  #runWaiting(done: number): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ frame }) => frame > done);
    for (const { frame, run } of waiting) if (frame <= done) run();
  }

  #apply(): void {
    this.#applying = true;
    for (const member of this.#dirty) {
      this.#dirty.delete(member);
      member.apply();
    }
    this.#applying = false;
  }
}
