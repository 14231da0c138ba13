import type { Connection } from "@saturnmq/kit";

/** What the simulated transport of name servers says on a connection, which carries one call. */
export const frameKind = { call: 0, message: 1, finish: 2, end: 3, ping: 4, pong: 5 } as const;

/** Length and kind. */
const headBytes = 5;

export function writeFrame(connection: Connection, kind: number, payload: Uint8Array = new Uint8Array()): boolean {
  const frame = new Uint8Array(headBytes + payload.length);
  const head = new DataView(frame.buffer);
  head.setUint32(0, payload.length);
  head.setUint8(4, kind);
  frame.set(payload, headBytes);
  return connection.write([frame]);
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  readonly #take: (kind: number, payload: Uint8Array) => void;
  #rest: Uint8Array = new Uint8Array();

  constructor(take: (kind: number, payload: Uint8Array) => void) {
    this.#take = take;
  }

  add(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const head = new DataView(bytes.buffer, bytes.byteOffset + at, headBytes);
      const end = at + headBytes + head.getUint32(0);
      if (end > bytes.length) break;
      this.#take(head.getUint8(4), bytes.slice(at + headBytes, end));
      at = end;
    }
    this.#rest = bytes.slice(at);
  }
}

/** How a call ended that did not end well. */
export type CallFailure = { readonly code: string; readonly details: string; readonly leader: string | undefined };

export function encodeEnd(failure: CallFailure | undefined): Uint8Array {
  return new TextEncoder().encode(failure === undefined ? "" : JSON.stringify(failure));
}

export function decodeEnd(payload: Uint8Array): CallFailure | undefined {
  if (payload.length === 0) return undefined;
  return JSON.parse(new TextDecoder().decode(payload)) as CallFailure;
}
