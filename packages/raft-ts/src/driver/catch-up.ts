import type { Timers } from "@saturnmq/kit";
import type { AppendRequest } from "../core/messages.ts";
import { raftTimes } from "../core/times.ts";
import type { GroupId } from "../ports.ts";
import type { AppendSource } from "./append-source.ts";

/** What is sent to a follower that catches up before its answers are waited for. */
const burstBytes = 1024 * 1024;
/** Unanswered bytes while nobody else needs the disk, the network and this process. */
const windowBytes = 4 * 1024 * 1024;
/** While groups that are led here commit, nothing is read for four times as long as a burst took: a fifth is guaranteed to catching up. */
const restShare = 4;
/** Shorter than the core waits before it takes entries for lost. */
const restMaxMs = 400;
/** A group that has not caught up after so many bursts goes behind the others: its live traffic may be more than its pace. */
const burstsInRow = 16;

export type CatchUpOptions = {
  /** Reads one append's entries and sends it; resolves to the bytes that left. */
  readonly send: (source: AppendSource, message: AppendRequest) => Promise<number>;
  /** Grows with every commit of a group that is led here. Without any there is nothing to yield to: commits may wait for this very follower. */
  readonly commits: () => number;
  readonly monoMs: () => number;
  readonly timers: Timers;
  /** False once the process is to end. */
  readonly alive: () => boolean;
};

type Sent = { readonly last: number; readonly bytes: number; readonly sentMs: number };
/** Appends of one group that wait for a read of the log, each following the one before. */
type Backlog = { readonly source: AppendSource; readonly waiting: AppendRequest[]; end: number };

/**
 * Sends one follower what must be read from the log, of all groups together, at a pace that leaves live traffic its share (design 6). One group after the
 * other: what has caught up gets the rest from memory at once, while many that catch up together would all stay behind.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  /** Present while anything waits for the group, or is being read, so that nothing later overtakes. */
  readonly #backlogs = new Map<GroupId, Backlog>();
  /** By group, oldest first. */
  readonly #unanswered = new Map<GroupId, Sent[]>();
  #unansweredBytes = 0;
  #running = false;
  /** Ends a wait for answers. */
  #answer: () => void = () => undefined;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** Payload bytes on their way; what is not answered for a while is taken for lost. */
  get unansweredBytes(): number {
    return this.#unansweredBytes;
  }

  /** Whether something of the group waits, so that the next must as well. */
  waits(group: GroupId): boolean {
    return this.#backlogs.has(group);
  }

  add(source: AppendSource, message: AppendRequest): void {
    const { group } = source;
    const backlog = this.#backlogs.get(group);
    if (backlog === undefined) this.#backlogs.set(group, { source, waiting: [message], end: endOf(message) });
    else {
      // The core went back to send again: reading what it gave up would let a slow disk fall behind for ever.
      if (message.prevIndex !== backlog.end) backlog.waiting.length = 0;
      backlog.waiting.push(message);
      backlog.end = endOf(message);
    }
    if (!this.#running) void this.#run();
  }

  /** An append of `bytes` payload left. */
  noteSent(group: GroupId, message: AppendRequest, bytes: number): void {
    if (bytes === 0) return;
    const sent = this.#unanswered.get(group) ?? [];
    // Sent again: what went there before is not answered any more.
    while ((sent.at(-1)?.last ?? 0) > message.prevIndex) this.#unansweredBytes -= sent.pop()?.bytes ?? 0;
    sent.push({ last: endOf(message), bytes, sentMs: this.#options.monoMs() });
    this.#unanswered.set(group, sent);
    this.#unansweredBytes += bytes;
  }

  /** The follower holds the group's entries up to `match`; `Infinity`: nothing that was sent will be answered. */
  answered(group: GroupId, match: number): void {
    const sent = this.#unanswered.get(group);
    if (sent === undefined) return;
    const left = sent.filter(({ last }) => last > match);
    for (const { last, bytes } of sent) if (last <= match) this.#unansweredBytes -= bytes;
    if (left.length === 0) this.#unanswered.delete(group);
    else this.#unanswered.set(group, left);
    this.#answer();
  }

  /** The connection broke: nothing that was sent will be answered, and what waits is asked for again. */
  unreachable(): void {
    for (const group of new Set([...this.#backlogs.keys(), ...this.#unanswered.keys()])) this.forget(group);
  }

  /** The group is not led here any more: nothing of it is to be sent. */
  forget(group: GroupId): void {
    const backlog = this.#backlogs.get(group);
    if (backlog !== undefined) backlog.waiting.length = 0;
    this.answered(group, Infinity);
  }

  async #run(): Promise<void> {
    const { monoMs, commits, alive } = this.#options;
    this.#running = true;
    let inRow = 0;
    for (let group = this.#first(); group !== undefined && alive(); group = this.#first()) {
      const startedMs = monoMs();
      const before = commits();
      const busy = (): boolean => commits() !== before;
      await this.#burst(group);
      await this.#answersWithin(group, () => (busy() ? 0 : windowBytes - burstBytes));
      inRow = this.#staysFirst(group, inRow + 1) ? inRow + 1 : 0;
      if (busy()) await this.#rest(Math.min(restMaxMs, restShare * (monoMs() - startedMs)));
    }
    this.#running = false;
  }

  /** The group that is being served; those that are forgotten have nothing. */
  #first(): GroupId | undefined {
    for (const [group, { waiting }] of this.#backlogs) {
      if (waiting.length > 0) return group;
      this.#backlogs.delete(group);
    }
    return undefined;
  }

  /** Before the rest, not after it: what arrives meanwhile would keep a group for ever that has caught up, and the others behind it. */
  #staysFirst(group: GroupId, bursts: number): boolean {
    const backlog = this.#backlogs.get(group);
    const waits = backlog !== undefined && backlog.waiting.length > 0;
    if (waits && bursts < burstsInRow) return true;
    this.#backlogs.delete(group);
    if (waits) this.#backlogs.set(group, backlog);
    return false;
  }

  async #burst(group: GroupId): Promise<void> {
    const backlog = this.#backlogs.get(group);
    for (let bytes = 0; bytes < burstBytes; ) {
      const message = backlog?.waiting.shift();
      if (backlog === undefined || message === undefined) return;
      const left = await this.#options.send(backlog.source, message);
      if (!this.#options.alive()) return;
      bytes += left;
      // A leader sends more as soon as a probe is answered.
      if (backlog.waiting.length === 0) await this.#answersWithin(group, () => 0);
    }
  }

  /** Waits until no more than so many bytes of the group are unanswered: of others, which live traffic goes to, there may always be some. */
  async #answersWithin(group: GroupId, bytesMax: () => number): Promise<void> {
    const unanswered = (): number => (this.#unanswered.get(group) ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
    while (this.#options.alive() && unanswered() > bytesMax()) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#answer = () => {
        resolve(undefined);
      };
      const cancel = this.#options.timers.after(raftTimes.resendMs, () => {
        resolve(undefined);
      });
      await promise;
      cancel();
      // However it ended: a follower that says again and again how far it was may never let the timer run out.
      this.#dropLost();
    }
  }

  #dropLost(): void {
    const lostMs = this.#options.monoMs() - raftTimes.resendMs;
    for (const [group, sent] of [...this.#unanswered]) {
      const newest = sent.findLast(({ sentMs }) => sentMs <= lostMs);
      if (newest !== undefined) this.answered(group, newest.last);
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(ms, resolve);
    });
  }
}

function endOf({ prevIndex, entries }: AppendRequest): number {
  return prevIndex + entries.length;
}
