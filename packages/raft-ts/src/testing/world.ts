import type { Effect } from "../core/effect.ts";
import type { RaftState } from "../core/state.ts";
import type { ConfigurationTarget } from "../core/walker.ts";
import type { PeerMessage } from "../driver/messages.ts";
import type { GroupId, ReplicaId } from "../ports.ts";
import type { Image, MemoryEntry } from "./memory-log.ts";

/** A running replica of one group as the invariants see it. */
export type ReplicaView = {
  readonly node: ReplicaId;
  readonly group: GroupId;
  /** The core's state right now. */
  readonly state: RaftState;
  /** The log with what is only staged. */
  readonly live: Image;
  /** The log that a power cut would leave. */
  readonly durable: Image;
  /** Asked with a fresh reading of the replica's own clock. */
  readonly leaseValid: boolean;
};

/** What the invariants may look at. Replicas that are down have no view, but their disks do. */
export interface World {
  readonly nowMs: number;
  /** All that ever were, those whose disk is gone included. */
  readonly nodes: readonly ReplicaId[];
  readonly groups: readonly GroupId[];
  /** `undefined` while the node is down. */
  replica(node: ReplicaId, group: GroupId): ReplicaView | undefined;
  /** What is on the node's disk, up or down. */
  disk(node: ReplicaId, group: GroupId): Image;
  /** How often the node's disk was lost; only a planted fault lets a node live on after that. */
  disksLost(node: ReplicaId): number;
  /** What the group's placement of that revision asked for. */
  target(group: GroupId, revision: number): ConfigurationTarget | undefined;
}

/** Something that happened at one replica. Told in order, within the event that caused it. */
export type Observation =
  | { readonly kind: "appends"; readonly at: ReplicaView; readonly index: number; readonly entry: MemoryEntry }
  | { readonly kind: "stepped"; readonly at: ReplicaView; readonly before: Before; readonly effects: readonly Effect[] }
  | { readonly kind: "sends"; readonly at: ReplicaView; readonly to: ReplicaId; readonly message: PeerMessage }
  | {
      readonly kind: "applies";
      readonly at: ReplicaView;
      readonly index: number;
      readonly term: number;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: "restores";
      readonly at: ReplicaView;
      readonly index: number;
      readonly term: number;
      readonly values: readonly string[];
    };

/** The core's state before a step. */
export type Before = {
  readonly term: number;
  readonly commit: number;
  readonly lastIndex: number;
  readonly role: RaftState["role"]["kind"];
};

/** A rule that must hold after every event. One a file; it throws `Violation` when broken. */
export interface Invariant {
  /** What it says and where that is written. */
  readonly name: string;
  observe?(observation: Observation, world: World): void;
  afterEvent?(world: World): void;
}

/** An invariant does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}
