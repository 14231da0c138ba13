import type { SaturnError } from "@saturnmq/kit";

/** Why an attempt at one name server failed. */
export type Failure =
  /** Another one, or the same a little later, may do better. `leader`: the address it named. */
  | { readonly kind: "passing"; readonly reason: string; readonly leader: string | undefined }
  /** An answer: asking again gives the same. */
  | { readonly kind: "refused"; readonly error: SaturnError };

/** What an attempt rejects with. */
export class AttemptFailed extends Error {
  override readonly name = "AttemptFailed";
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.kind === "passing" ? failure.reason : failure.error.message);
    this.failure = failure;
  }
}

/** What a name server sent. @throws {AttemptFailed} when it cannot be read */
export function readAnswer<Answer>(address: string, bytes: Uint8Array, decode: (bytes: Uint8Array) => Answer): Answer {
  try {
    return decode(bytes);
  } catch (error) {
    const reason = `${address}: its answer cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new AttemptFailed({ kind: "passing", reason, leader: undefined });
  }
}

/** How name servers are reached, messages as bytes: gRPC in production, a seeded network in simulations. Addresses are `host:port`. */
export interface Rpc {
  /** One request, one reply within `timeoutMs`. @throws {AttemptFailed} */
  unary(address: string, path: string, request: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Opens a stream. Nothing is called back within this call. */
  stream(address: string, path: string, events: RpcStreamEvents): RpcStream;
  /** Ends everything that is open. */
  close(): void;
}

export type RpcStreamEvents = {
  /** An `AttemptFailed` that it throws ends the stream. */
  readonly message: (bytes: Uint8Array) => void;
  /** The last call, made once, also after `cancel`. `undefined`: the other side ended the stream in order. */
  readonly ended: (failure: Failure | undefined) => void;
};

export type RpcStream = {
  send(bytes: Uint8Array): void;
  /** Nothing more will be sent. */
  finish(): void;
  /** Gives the stream up, both ways. */
  cancel(): void;
};
