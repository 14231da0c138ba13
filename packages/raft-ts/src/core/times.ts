/**
 * The clockwork of elections, milliseconds of each process's monotonic clock.
 *
 * Safety of the lease needs `leaseMs` below `leaderQuietMs` and `startQuietMs` by more than clocks may drift apart in that span; the rest only decides
 * how fast a group recovers.
 */
export const raftTimes = {
  /** A leader tells its followers that it lives once in this span. */
  heartbeatMs: 100,
  /** Whoever heard a leader within this span neither campaigns nor helps another to be elected; a leader that heard no majority steps down. */
  leaderQuietMs: 600,
  /** Bound of the random part of an election timeout. */
  electionJitterMs: 400,
  /** Bounds of the random wait after a round that was refused by anyone. */
  retryMinMs: 50,
  retryMaxMs: 250,
  /** A leader may serve reads alone for this long after the sending of heartbeats that a majority answered. */
  leaseMs: 400,
  /** A voter that has just started may have answered a heartbeat right before it ended: it helps nobody for this long. */
  startQuietMs: 600,
  /** A leader that hands over and still leads after this long takes its work up again. */
  transferMs: 600,
  /** Entries unanswered for this long are taken for lost and sent again. */
  resendMs: 500,
} as const;
