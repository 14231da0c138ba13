import type { Clock, Logger, Random, Timers } from "@saturnmq/kit";
import type { ConfigurationChange } from "../core/membership.ts";
import type {
  ConfigurationAt,
  Damage,
  GroupId,
  GroupMachine,
  RaftLog,
  ReplicaId,
  SnapshotSink,
  SnapshotSource,
  Transport,
  Turn,
} from "../ports.ts";
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
  /** Snapshots are sent in chunks of this size, at most and by default 256 KiB. */
  readonly snapshotChunkBytes?: number;
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
  /**
   * The first configuration of a group whose log knows none yet; without meaning to any other. Absent: such a replica waits until a leader that has it
   * among its members speaks to it. Only who is sure that the group never existed may give them: a replica that lost its disk must not.
   */
  readonly voters?: readonly ReplicaId[];
  readonly machine: GroupMachine;
  /** Last index that the machine already holds (its checkpoint's); 0 for none. Entries after it are replayed from the log. */
  readonly appliedIndex: number;
  /** That checkpoint's term and configuration. A log that does not reach it begins after it: a process may end between installing the two. */
  readonly checkpoint?: { readonly term: number; readonly configuration: ConfigurationAt };
  /**
   * A configuration that an operator forces on a group whose majority is lost for good, in a new generation of terms (see `generationOf`). It is in force
   * as soon as this replica is open; whoever it leaves out is written off, and what only those hold is lost. Only one replica may be given it. Of no
   * meaning to a replica that has reached the generation.
   */
  readonly forced?: { readonly voters: readonly ReplicaId[]; readonly revision: number; readonly generation: number };
  /** Absent: this replica neither gives snapshots nor takes any. */
  readonly snapshots?: SnapshotSource & SnapshotSink;
};

/** What a leader knows of another member. */
export type FollowerStatus = {
  readonly replica: ReplicaId;
  /** False for a learner. */
  readonly voter: boolean;
  /** Its log equals the leader's up to here, durably. */
  readonly matchIndex: number;
  /** `probe`: how far its log agrees is not known yet. `snapshot`: it is out of the log's reach. */
  readonly mode: "probe" | "replicate" | "snapshot";
  readonly heardMonoMs: number;
  /** It lost entries, and counts for nothing before they are back. */
  readonly healing: boolean;
};

/** Runs the groups of one process over one log: one commit loop, one timer, heartbeats per pair of processes. */
export interface Driver extends AsyncDisposable {
  /** Resolves when `fatal` was called: nothing that is staged gets an outcome any more, until its group is closed. */
  readonly failed: Promise<void>;
  /**
   * Starts a group. Its machine is called back in later turns only. Groups opened in one turn elect themselves in the same commits.
   *
   * @throws {RangeError} if the options contradict each other, the log, or an open group
   */
  open(options: GroupOptions): Group;
  /**
   * A message from `from`, as its driver gave it to its transport. Refused with a log line when it makes no sense.
   * Payloads in it must stay unchanged until they are applied, the bytes of a snapshot's chunk for good.
   */
  receive(from: ReplicaId, message: PeerMessage): void;
  /** The process of `peer` ended or began anew: whatever it led it leads no more. Nobody campaigns any sooner for that. */
  peerRestarted(peer: ReplicaId): void;
  /** The connection to `peer` broke: what was under way may be lost, and is sent again as soon as it answers, not only after a wait. */
  peerUnreachable(peer: ReplicaId): void;
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
  /** The newest in the log, committed or not. Its members are empty before the first one came. */
  readonly configuration: ConfigurationAt;
  /** `fetch`: entries are being fetched anew, and this replica elects nobody. `rejoin`: it must come back under a new replica id. */
  readonly damage: Damage;
  /** Every other member, when this replica leads; else empty. */
  readonly followers: readonly FollowerStatus[];
  /** End of the leader lease; `Infinity` for a sole voter that leads, `-Infinity` without a lease. */
  readonly leaseUntilMonoMs: number;
  /** True while no other replica can have been elected. Pass a clock reading taken just before what depends on it. */
  leaseValid(nowMonoMs: number): boolean;
  /** The machine has something staged: `gather` is called before the next write, in a later turn at the earliest. Cheap to repeat. */
  wake(): void;
  /**
   * Changes the members by one entry, in force at once; resolves when it is committed. `nextChange` says which change leads to a target.
   *
   * @throws {RaftError} `NOT_LEADER`; `REFUSED` while another change, or a hand-over, is not done, or if the change is not allowed; `UNKNOWN_OUTCOME` if
   *   the leadership ends before the commit
   */
  changeConfiguration(change: ConfigurationChange): Promise<ConfigurationAt>;
  /**
   * Hands leadership over to a voter: the lease ends and the machine is told `following(0)` before the other is. Resolves when the other leads.
   * If it does not within 600 ms, this replica serves again, in the same term or, if the other was already told, a new one.
   *
   * @throws {RaftError} `NOT_LEADER`, `REFUSED`, or `UNKNOWN_OUTCOME` if somebody else leads afterwards
   */
  transfer(to: ReplicaId): Promise<void>;
  /**
   * Resolves with an index: a read of the machine's state once `appliedIndex` has reached it sees all that was committed before the call (Raft thesis
   * §6.4). Costs a round of heartbeats, or nothing while the lease holds.
   *
   * @throws {RaftError} `NOT_LEADER`, also when the leadership ends meanwhile; `REFUSED` when too many wait
   */
  readIndex(): Promise<number>;
  /** Takes part in nothing more; resolves when its last write is durable. The machine is told `following(0)`. */
  close(): Promise<void>;
}
