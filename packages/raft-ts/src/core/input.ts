import type { HardState, ReplicaId } from "../ports.ts";
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

/** One more entry is to be replicated. Ignored, with no effect, by whoever does not lead. */
export type Propose = { readonly kind: "propose"; readonly nowMs: number };

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
export type Input = Tick | Propose | Persisted | Received;
