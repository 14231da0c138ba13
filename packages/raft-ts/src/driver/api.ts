import type { Clock, Logger, Random, Timers } from "@saturnmq/kit";
import type { GroupId, GroupMachine, RaftLog, ReplicaId, Transport, Turn } from "../ports.ts";
import type { PeerMessage } from "./messages.ts";

export type RoleName = "follower" | "preCandidate" | "candidate" | "leader";

export type DriverOptions = {
  /** The shared log. The driver is its only writer from now on. */
  readonly log: RaftLog;
  /** Absent: only groups whose sole voter is this replica can be opened. */
  readonly transport?: Transport<PeerMessage>;
  readonly clock: Clock;
  readonly timers: Timers;
  /** `immediateTurn` in production. */
  readonly turn: Turn;
  /** Draws election timeouts. */
  readonly random: Random;
  readonly logger: Logger;
  /**
   * Called once with what broke: a write of the log that failed, a broken invariant, a machine that threw. Nothing is durable, applied or
   * answered after it; the process must end.
   */
  readonly fatal: (error: unknown) => void;
};

export type GroupOptions = {
  readonly group: GroupId;
  /** This process's replica id; the same for every group of a driver. */
  readonly self: ReplicaId;
  /** The group's voters, `self` among them. */
  readonly voters: readonly ReplicaId[];
  readonly machine: GroupMachine;
  /** Last index that the machine already holds (its checkpoint's); 0 for none. Entries after it are replayed from the log. */
  readonly appliedIndex: number;
};

/** Runs the groups of one process over one log: one commit loop, one timer, heartbeats per pair of processes. */
export interface Driver extends AsyncDisposable {
  /**
   * Starts a group. Its machine is called back in later turns only. Groups opened in one turn elect themselves in the same commits.
   *
   * @throws {RangeError} if the options contradict each other, the log, or an open group
   */
  open(options: GroupOptions): Group;
  /**
   * A message from `from`, as its driver gave it to its transport. Refused with a log line when it makes no sense.
   * Payloads in it must stay unchanged until they are applied.
   */
  receive(from: ReplicaId, message: PeerMessage): void;
  /** Closes every group and waits for the write in flight. The log stays open. */
  close(): Promise<void>;
}

/** One group on this process. Reading its properties costs nothing; times are `Clock.monoMs` of this process. */
export interface Group {
  readonly id: GroupId;
  readonly role: RoleName;
  readonly term: number;
  /** The leader of `term` as far as known; 0 for none. */
  readonly leader: ReplicaId;
  /** True from `machine.leading` until `machine.following`: entries are gathered. */
  readonly serving: boolean;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** End of the leader lease; `Infinity` for a sole voter that leads, `-Infinity` without a lease. */
  readonly leaseUntilMonoMs: number;
  /** True while no other replica can have been elected. Pass a clock reading taken just before what depends on it. */
  leaseValid(nowMonoMs: number): boolean;
  /** The machine has something staged: `gather` is called before the next write, in a later turn at the earliest. Cheap to repeat. */
  wake(): void;
  /** Takes part in nothing more; resolves when its last write is durable. The machine is told `following(0)`. */
  close(): Promise<void>;
}
