import type { HardState, ReplicaId, SnapshotHead } from "../ports.ts";
import type { ConfigurationChange } from "./membership.ts";
import type { Message } from "./messages.ts";

/** Time has reached `nextTickMs`. The drawn waits hold until the next tick. */
export type Tick = {
  readonly kind: "tick";
  readonly nowMs: number;
  /** Uniform in [0, `raftTimes.electionJitterMs`). */
  readonly electionJitterMs: number;
  /** Uniform in [`raftTimes.retryMinMs`, `raftTimes.retryMaxMs`). */
  readonly retryDelayMs: number;
};

/** One more entry, of `bytes` payload, is to be replicated. Ignored, with no effect, by whoever does not lead or is handing over. */
export type Propose = { readonly kind: "propose"; readonly nowMs: number; readonly bytes: number };

/** Members are to change. Answered by an `append` of the new configuration, or by `refused`. */
export type Reconfigure = {
  readonly kind: "reconfigure";
  readonly nowMs: number;
  readonly change: ConfigurationChange;
};

/** This leader is to hand over to a voter. Answered by `handingOver`, or by `refused`. */
export type TransferTo = { readonly kind: "transfer"; readonly nowMs: number; readonly to: ReplicaId };

/** The leader's process has ended, or begun anew: it is not followed any more. The wait for another goes on from when it was last heard. */
export type ForgetLeader = { readonly kind: "forgetLeader"; readonly nowMs: number };

/** What was under way to a follower may be lost: its connection broke. Sooner than to wait for an answer, begin anew from what it has answered. */
export type Unreachable = { readonly kind: "unreachable"; readonly nowMs: number; readonly peer: ReplicaId };

/** The machine has applied entries up to `index`. Needed only of a leader, once the newest configuration is among them. */
export type Applied = { readonly kind: "applied"; readonly nowMs: number; readonly index: number };

/** A leader's newest snapshot, for a follower that `sendSnapshot` named; `undefined` when there is none, or it could not be sent. */
export type SnapshotReady = {
  readonly kind: "snapshotReady";
  readonly nowMs: number;
  readonly to: ReplicaId;
  readonly snapshot: SnapshotHead | undefined;
};

/** A snapshot that `fetchSnapshot` named is here, whole, durable and checked; the machine is about to take it up. */
export type Restored = { readonly kind: "restored"; readonly nowMs: number; readonly snapshot: SnapshotHead };

/**
 * A write has become durable. The fields are what the state held when that write began: by then everything asked for earlier was part of it.
 * `truncations` tells a later discard of what was just written from an entry that stands.
 */
export type Persisted = {
  readonly kind: "persisted";
  readonly nowMs: number;
  readonly hardState: HardState;
  readonly index: number;
  readonly truncations: number;
};

/** A peer's message. `nowMs` is this process's time of handling it. */
export type Received = {
  readonly kind: "received";
  readonly nowMs: number;
  readonly from: ReplicaId;
  readonly message: Message;
};

/** Everything that can happen to a replica. `nowMs` is the monotonic clock, milliseconds; it never goes back from input to input. */
export type Input =
  | Tick
  | Propose
  | Reconfigure
  | TransferTo
  | Persisted
  | Received
  | ForgetLeader
  | Unreachable
  | Applied
  | SnapshotReady
  | Restored;
