/** Numbers and texts of HTTP/2 (RFC 9113). */

/** Section 6. */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** Section 6.5.2. */
export const setting = {
  headerTableBytes: 1,
  enablePush: 2,
  concurrentStreamsMax: 3,
  initialWindow: 4,
  frameBytesMax: 5,
  headerListBytesMax: 6,
} as const;

/** Section 7. */
export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  connect: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

export const frameHeadBytes = 9;
/** The largest payload that either side may send before a setting says otherwise. We never say otherwise. */
export const frameBytesAtStart = 16_384;
export const frameBytesLimit = 2 ** 24 - 1;
/** The largest window (6.9.1), and the one that a connection and its streams start with. */
export const windowMax = 2 ** 31 - 1;
export const windowAtStart = 65_535;
export const streamIdMax = 2 ** 31 - 1;
export const headerTableBytesAtStart = 4_096;

/** What a client says first (3.4). */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
