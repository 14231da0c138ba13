/** HTTP/2 frame types (RFC 9113, 6). */
export const frameType = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** Identifiers of settings (RFC 9113, 6.5.2). */
export const setting = { headerTableBytes: 1, maxStreams: 3, initialWindow: 4, maxFrameBytes: 5 } as const;

export const frameHeadBytes = 9;
/** The largest window RFC 9113 6.9.1 allows, and the one every connection starts with. */
export const windowMax = 2 ** 31 - 1;
export const windowAtStart = 65_535;

export const connectionPreface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** One frame. `payload` is at most the peer's maximum frame size, 16,384 bytes unless it said more. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A SETTINGS frame of (identifier, value) pairs. */
export function settingsFrame(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [n, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * n);
    payload.writeUInt32BE(value, 6 * n + 2);
  }
  return frame(frameType.settings, 0, 0, payload);
}

/** Grants the peer `bytes` more, 1 to 2^31 - 1, on `stream` (0: the connection). */
export function windowUpdateFrame(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(frameType.windowUpdate, 0, stream, payload);
}

/** A gRPC message with its five-byte prefix, uncompressed. */
export function grpcMessage(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
