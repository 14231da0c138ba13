/** What the shards of a process count since its start. */
export type Totals = {
  sentMessages: number;
  sentBytes: number;
  refusedSends: number;
  deliveredMessages: number;
  redeliveredMessages: number;
  ackedMessages: number;
  parkedMessages: number;
  deadLetteredMessages: number;
  /** Now: bytes decided and not yet applied, at most. */
  stagedBytes: number;
};

export function noTotals(): Totals {
  return {
    sentMessages: 0,
    sentBytes: 0,
    refusedSends: 0,
    deliveredMessages: 0,
    redeliveredMessages: 0,
    ackedMessages: 0,
    parkedMessages: 0,
    deadLetteredMessages: 0,
    stagedBytes: 0,
  };
}
