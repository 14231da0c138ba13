import { checkHandle, type GivenUp } from "./leases.ts";
import type { Overlay } from "./overlay.ts";
import { decideSend } from "./queues.ts";
import type { ReceiptHandle } from "./receipt-handle.ts";
import type { DeadLettered, Finished } from "./shard-record.ts";
import type { ShardState } from "./shard-state.ts";

/** Where a group's dead letters of a shard go. */
export type DeadLetterPlace = { readonly topic: number; readonly queue: number };

/**
 * Finishes a message for a group and appends it to the group's dead letters, in one record. `undefined` when it is finished already.
 *
 * @param wallMs the leader's wall clock
 * @throws {SaturnError} `TOPIC_NOT_FOUND` once the delete of the dead-letter topic is decided
 */
export function decideDeadLetter(
  overlay: Overlay,
  { group, topic, queue, offset }: GivenUp,
  to: DeadLetterPlace,
  nowMs: number,
  wallMs: number,
): DeadLettered | undefined {
  const { decided } = overlay;
  const cursor = decided.cursorOf(group, topic, queue);
  if (cursor < 0 || decided.isDone(cursor, offset)) return undefined;
  const stored = decideSend(overlay, to, nowMs, wallMs);
  return { ...stored, kind: "deadLettered", source: { group, topic, queue, offset } };
}

/** Gives a message up without keeping it apart; `undefined` when it is finished already. */
export function decidePark({ decided }: Overlay, givenUp: GivenUp, nowMs: number): Finished | undefined {
  const cursor = decided.cursorOf(givenUp.group, givenUp.topic, givenUp.queue);
  if (cursor < 0 || decided.isDone(cursor, givenUp.offset)) return undefined;
  return { kind: "parked", timeMs: nowMs, ...givenUp, count: 1 };
}

/**
 * Whether a handle may have its message given up: false when that is finished already, which is as good.
 *
 * @throws {SaturnError} `INVALID_RECEIPT_HANDLE`
 */
export function mayGiveUp(state: ShardState, overlay: Overlay, handle: ReceiptHandle, nowMs: number): boolean {
  return checkHandle(state, overlay, handle, nowMs) === "holds";
}
