import type { Clock, Logger, Random, Timers } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import type { GroupInfo, MetadataService, TopicInfo } from "@saturnmq/wire";
import type { Driver } from "raft-ts";
import type { AskedEntries, Brokers, LogEntry } from "./cluster/ports.ts";
import type { LedShards } from "./led-shards.ts";
import type { Member } from "./membership.ts";
import type { Messaging } from "./messaging.ts";

/** What an operator may tune. Times in milliseconds, sizes in bytes. */
export type DataPlaneSettings = {
  /** How long messages are kept when their topic says nothing. Default: 3 days. */
  readonly retentionMs?: number;
  /** Size of the log above which the oldest segments are dropped, or who tells it at the moment. Default: 8 GiB. */
  readonly retentionBytes?: number | (() => Promise<number>);
  /** Staged and not yet committed bytes of sends in this process; above it sends are refused for the moment. Default: 64 MiB. */
  readonly stagedBytesMax?: number;
  /** How long a call waits for a shard's leader. Default: 3 s. */
  readonly leaderWaitMs?: number;
  /** How often retention, checkpoints and disk room are looked at. Default: 1 s. */
  readonly housekeepingMs?: number;
  /** Payload bytes that a replica asks for at a time while what it lacks is filled in. Default: 256 KiB. */
  readonly fillingBytes?: number;
};

export type DataPlaneOptions = {
  /** This process's log, open. The data plane uses it until it is disposed of, and does not close it. */
  readonly store: LogStore;
  /** Runs the shards' groups over `store`; closed with the data plane. */
  readonly driver: Driver;
  readonly metadata: MetadataService;
  /** This broker's replica id: the shards that name it as a voter are opened. */
  readonly brokerId: number;
  /** The other brokers of the cluster. Default: there are none. */
  readonly brokers?: Brokers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once with what broke an invariant of a shard; the process must end. */
  readonly fatal: (error: unknown) => void;
  readonly settings?: DataPlaneSettings;
  /** Whether a client is connected to this process. Default: none is. */
  readonly isPresent?: (clientId: string) => boolean;
};

/** Totals since the start, and present levels, as plain numbers to read at any time. */
export type DataPlaneCounters = {
  /** Messages stored, and their bytes. */
  readonly sentMessages: number;
  readonly sentBytes: number;
  /** Messages refused because of back-pressure or a full disk. */
  readonly refusedSends: number;
  /** Receive calls, messages handed out by them, and those of them with an attempt above 1. */
  readonly receives: number;
  readonly deliveredMessages: number;
  readonly redeliveredMessages: number;
  /** Acknowledged and given up (parked) messages. */
  readonly ackedMessages: number;
  readonly parkedMessages: number;
  /** Messages given up to dead letters. */
  readonly deadLetteredMessages: number;
  /** Present levels: receives on hold, other calls that wait for a leader, leased messages, staged bytes. */
  readonly waitingReceives: number;
  readonly heldCalls: number;
  readonly inFlightMessages: number;
  /** Messages on the shards that are led here which groups have yet to finish, each once for every group that has begun. */
  readonly unreadMessages: number;
  readonly stagedBytes: number;
  readonly shards: readonly {
    readonly shard: number;
    readonly appliedIndex: number;
    /** The first entry that retention has left. */
    readonly logStart: number;
    readonly serving: boolean;
    readonly queues: number;
  }[];
};

/** What other brokers may ask of the data plane, by ids. */
export type Forwarding = {
  readonly shards: LedShards;
  /** Revision of the metadata that was watched. */
  readonly revision: () => number;
  /** Resolves when metadata of at least this revision was watched. @throws {SaturnError} `HA_NOT_AVAILABLE` if it does not come in time */
  readonly caughtUp: (revision: number) => Promise<void>;
  /** Entries of this process's replicas, see `Brokers.entries`. */
  readonly entries: (asked: AskedEntries) => Promise<readonly LogEntry[]>;
  /** @throws {SaturnError} `TOPIC_NOT_FOUND` */
  readonly topic: (id: number) => TopicInfo;
  /** @throws {SaturnError} `CONSUMER_GROUP_NOT_FOUND` */
  readonly group: (id: number) => GroupInfo;
};

/** The data plane of one broker process. Disposing of it ends long polls empty, finishes sends, writes checkpoints and closes the driver. */
export interface DataPlane extends Messaging, Member, AsyncDisposable {
  readonly forwarding: Forwarding;
  counters(): DataPlaneCounters;
}
