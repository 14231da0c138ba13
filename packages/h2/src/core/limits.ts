/** How much one connection may ask of us. Times in milliseconds. */
export type Limits = {
  /** Streams at once, announced. One more is refused. */
  readonly concurrentStreamsMax: number;
  /** DATA that a stream may send before we grant more, announced. Larger than nearly every request, so that few need a grant. */
  readonly streamWindowBytes: number;
  /** Size of a request's fields as RFC 9113 6.5.2 counts it, announced. */
  readonly headerListBytesMax: number;
  /** Bytes of a header block over all its frames. */
  readonly headerBlockBytesMax: number;
  /** Output that waits for the peer to read: above it no reply is turned into frames, and the peer's next requests wait in its socket. */
  readonly outputMarkBytes: number;
  /** Replies that wait for flow-control windows: above it new streams are refused. */
  readonly queuedMarkBytes: number;
  /** Output and replies together: above it the connection is cut. */
  readonly unsentBytesMax: number;
  /** A peer that reads nothing, or grants nothing, of what waits for it is cut after so long. */
  readonly stallMs: number;
  /** The preface, the first SETTINGS, and the rest of a header block that began must be there by then. */
  readonly handshakeMs: number;
  /** Our SETTINGS must be acknowledged by then. */
  readonly settingsAckMs: number;
  /** Without a stream for so long, a connection is told to go away. */
  readonly idleMs: number;
  /** A peer that said nothing for so long is asked by a PING. */
  readonly keepaliveMs: number;
  /** ... and must say something by then. */
  readonly keepaliveTimeoutMs: number;
  /** From GOAWAY to the end of what the peer leaves open. */
  readonly leaveMs: number;
};

export const defaultLimits: Limits = {
  concurrentStreamsMax: 1_024,
  streamWindowBytes: 1 << 20,
  headerListBytesMax: 16_384,
  headerBlockBytesMax: 32_768,
  outputMarkBytes: 1 << 20,
  queuedMarkBytes: 8 << 20,
  unsentBytesMax: 64 << 20,
  stallMs: 20_000,
  handshakeMs: 5_000,
  settingsAckMs: 10_000,
  idleMs: 300_000,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 20_000,
  leaveMs: 1_000,
};

/** Frames in a header block after its first. An honest peer fills them; sixteen small ones are no way to send 32 KiB. */
export const continuationsMax = 16;
/** How long a connection that failed is kept, so that the peer can read why. */
export const farewellMs = 500;

/** What a frame costs its sender, in tokens of the `Budget` named. */
export const price = {
  /** Of `control`. */
  settings: 10,
  priority: 1,
  unknownFrame: 1,
  windowUpdate: 1,
  emptyData: 5,
  smallContinuation: 10,
  /** Of `resets`: a stream that ends without an answer, by the peer's wish or its mistake. */
  reset: 1,
  oversizedList: 10,
  beyondMemory: 5,
} as const;

/** Tokens: at most `burst`, `perSecond` more with time. Work that was done for the peer earns some too. */
export const budgets = {
  control: { burst: 1_000, perSecond: 100 },
  resets: { burst: 1_000, perSecond: 100 },
  pings: { burst: 100, perSecond: 1 },
} as const;

/** What the peer earns by a request and by each frame of an answer, as it will grant windows and measure round trips for them. */
export const earned = { control: 2, pings: 1, resets: 0.5 } as const;

/** How an address is kept waiting whose connections were ended for what they cost (`Offenders`). */
export const penalty = {
  /** Offences without a wait. */
  free: 3,
  /** One is forgiven after so long, milliseconds. */
  forgiveMs: 5_000,
  /** The first wait; each further offence doubles it, up to the longest. Milliseconds. */
  firstMs: 100,
  longestMs: 3_200,
  /** Addresses known at once. */
  addressesMax: 4_096,
} as const;
