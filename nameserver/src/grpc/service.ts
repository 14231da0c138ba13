import type { Logger } from "@saturnmq/kit";

/** What the services of a name server and its gRPC server say to each other. Messages are protobuf bytes. */
export type Service = { readonly name: string; readonly methods: ReadonlyMap<string, Method> };

export type Method =
  | { readonly kind: "unary"; readonly handle: (request: Uint8Array) => Promise<Uint8Array> }
  | { readonly kind: "serverStreaming"; readonly open: (request: Uint8Array, stream: Outgoing) => void }
  | { readonly kind: "bidirectional"; readonly open: (stream: Outgoing) => Incoming };

/** The sending half of a stream. */
export type Outgoing = {
  /** False: the send buffer is over its mark; `drained` is called when it is not any more. Nothing happens after the end. */
  write(reply: Uint8Array): boolean;
  /** Set by whoever writes. */
  drained: () => void;
  /** Set by whoever needs to know: called once when the stream has ended, whoever ended it. */
  ended: () => void;
  /** Ends the stream: with OK, or with what a `SaturnError` says. */
  end(failure?: unknown): void;
};

/** The receiving half. What it throws ends the stream. */
export type Incoming = { message(bytes: Uint8Array): void };

/** Serves services on one port. @throws {SaturnError} when the port cannot be opened */
export type Serve = (services: readonly Service[], options: ServeOptions) => Promise<ServedPort>;

export type ServeOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly logger: Logger;
  /** Where the leading name server is reached; told to whoever asks one that does not lead. */
  readonly leaderAddress: () => string | undefined;
};

export type ServedPort = {
  readonly port: number;
  /** Accepts no more, ends all streams, waits `deadlineMs` for calls in flight. */
  close(deadlineMs: number): Promise<void>;
};
