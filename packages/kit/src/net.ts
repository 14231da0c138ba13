/**
 * The only door to other processes: duplex streams of bytes. Production opens `node:net` behind it, the simulator a seeded network that
 * delays, cuts and resets.
 *
 * Nothing is called back within the call that causes it. Whoever holds a `Connection` sees its end exactly once, by `closed`.
 */
export interface Net {
  /**
   * Takes connections on a port until closed.
   *
   * @throws {NetError} `inUse`, `denied` or `address`
   */
  listen(options: ListenOptions): Promise<Listener>;
  /** Dials. What is written before `opened` waits. When nobody can be reached, `closed` tells why. */
  connect(target: { readonly host: string; readonly port: number }, handler: ConnectionHandler): Connection;
}

export type ListenOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** A new connection; returns who is told about it. */
  readonly accept: (connection: Connection) => ConnectionHandler;
  /** Accepting failed, for example for want of file descriptors; the port stays open. */
  readonly failed: (error: NetError) => void;
};

export interface Listener {
  /** The port it listens on. */
  readonly port: number;
  /** Takes no more connections; those that are open stay. Resolves when the port is free. */
  close(): Promise<void>;
}

/** Who is told what happens to a connection. */
export type ConnectionHandler = {
  /** A dialled connection is there. Not called for accepted ones. */
  readonly opened?: () => void;
  /** Bytes in the order they were sent, at least one. They belong to the receiver: nobody writes to them any more. */
  readonly data: (chunk: Uint8Array) => void;
  /** After a `write` that returned false: everything written has left. */
  readonly drained: () => void;
  /** The last call, also after `destroy`. `error` is absent when the connection ended in order. */
  readonly closed: (error?: NetError) => void;
};

/** One duplex stream of bytes. When the other side ends, what it sent is delivered and then this side ends too. */
export interface Connection {
  /** The other side's address, for log lines. */
  readonly remote: string;
  /** Bytes written that have not left yet. */
  readonly pendingBytes: number;
  /**
   * Sends the chunks, one after the other, in as few system calls as can be. They belong to the connection from now on: the caller must
   * not write to them. After `end`, `destroy` or `closed` it does nothing.
   *
   * @returns false when the caller should wait for `drained` before it writes more
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** No `data` until `resume`, so that the sender has to wait in the end. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once; what was written may be lost. */
  destroy(): void;
}

export type NetErrorCode = "refused" | "unreachable" | "reset" | "inUse" | "denied" | "address" | "io";

/** A network operation failed. `cause` is the system's error. */
export class NetError extends Error {
  override readonly name = "NetError";
  readonly code: NetErrorCode;

  constructor(code: NetErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** `host:port` as it is written in addresses: a host of IPv6 stands in brackets. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
