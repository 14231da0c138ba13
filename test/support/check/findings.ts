/** Anomalies, in the words of Jepsen's tests of queues where they have one. */
export type AnomalyKind =
  /** Acknowledged or delivered once, and not there at the end, though reading went past it. */
  | "lostWrite"
  /** Acknowledged, seen by nobody; nothing shows that reading went past it. */
  | "unseen"
  /** Acknowledged and there, and never delivered to a consumer group that was drained. */
  | "undelivered"
  /** There, never sent. */
  | "phantom"
  /** There, though its send was refused (Adya's G1a, aborted read). */
  | "g1a"
  /** The body differs from what was sent. */
  | "corrupted"
  /** Different messages at one offset of a queue. */
  | "inconsistentOffsets"
  /** An offset below a queue's end that nobody ever saw anything at. */
  | "gap"
  /** One send at two places. */
  | "duplicate"
  /** Acknowledged with an offset at which it is not. */
  | "moved"
  /** A producer's later acknowledged send stands before an earlier one in a queue. */
  | "nonmonotonicSend"
  /** A reader's next answer leaves out what is there; `int`: within one answer. */
  | "pollSkip"
  | "intPollSkip"
  /** A reader's next answer goes back to what it had not read; `int`: within one answer. */
  | "nonmonotonicPoll"
  | "intNonmonotonicPoll"
  /** Delivered to a group by a receive that began after the group's ack was answered OK. */
  | "ackedRedelivered"
  /** Two consumers of a group had one message at the same time. */
  | "leaseOverlap"
  /** A later delivery does not count higher. */
  | "attemptNotRising"
  /** A message of a message group was handed out before an earlier one was done, or the group is spread over queues. */
  | "groupOrder"
  /** Two replicas hold different things, or one lacks what the other holds. */
  | "replicaDivergence";

export type Anomaly = { readonly kind: AnomalyKind; readonly detail: string };

/** What a check found: what must not be, and what looks like it and has an explanation. */
export class Findings {
  readonly anomalies: Anomaly[] = [];
  /** By what it is ("duplicate", "redelivery") and by why. */
  readonly explained = new Map<string, number>();

  add(kind: AnomalyKind, detail: string): void {
    this.anomalies.push({ kind, detail });
  }

  explain(what: string, why: string): void {
    const key = `${what}: ${why}`;
    this.explained.set(key, (this.explained.get(key) ?? 0) + 1);
  }
}
