const mib = 1_048_576;

/** Bounds of what a process spends on its links. Sizes in bytes, times in milliseconds. */
export type PeerLimits = {
  /** A connection that has not become part of a link by then is closed. */
  readonly handshakeMs: number;
  /** Connections at once that have not said who they are. */
  readonly strangersMax: number;
  /** Both sides of a link send a sign of life this often. */
  readonly probeMs: number;
  /** A link is closed when nothing came during so many probe times. Counted, not measured: a process that was paused itself blames nobody. */
  readonly silentProbesMax: number;
  /** Wait before a dial after a failed one: from the first, doubled up to the last, with jitter. */
  readonly redialMinMs: number;
  readonly redialMaxMs: number;
  /** Wait before a dial after a refusal for good. */
  readonly refusedRedialMs: number;
  /** Largest message: above the largest append that the log lets a leader send. */
  readonly messageBytesMax: number;
  /** Messages that wait for a connection; the oldest give way to newer ones. */
  readonly messagesQueuedBytes: number;
  /** Largest request or answer. */
  readonly callBytesMax: number;
  /** Calls open at once with one peer, each way; and the bytes of their requests that wait to leave. */
  readonly callsMax: number;
  readonly callsQueuedBytes: number;
  /** A peer that lets more than this wait for it on the bulk connection is cut off. */
  readonly bulkQueuedBytes: number;
  /** Soft state for one peer: keys and values, and 128 bytes for each entry. */
  readonly stateBytesMax: number;
};

export const defaultLimits: PeerLimits = {
  handshakeMs: 2_000,
  strangersMax: 128,
  probeMs: 250,
  silentProbesMax: 4,
  redialMinMs: 50,
  redialMaxMs: 1_000,
  refusedRedialMs: 5_000,
  messageBytesMax: 24 * mib,
  messagesQueuedBytes: 32 * mib,
  callBytesMax: 24 * mib,
  callsMax: 4_096,
  callsQueuedBytes: 64 * mib,
  bulkQueuedBytes: 256 * mib,
  stateBytesMax: 8 * mib,
};
