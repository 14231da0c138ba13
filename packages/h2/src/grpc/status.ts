import { assert } from "@saturnmq/kit";

/** Status codes of gRPC (statuscodes.md). */
export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** How a call ends that does not go well. */
export type Failure = {
  /** gRPC status code, 1 to 16. */
  readonly code: number;
  /** For the one who called: what was wrong and what to do. */
  readonly message: string;
  /** Trailers beside the status. */
  readonly trailers?: readonly (readonly [name: string, value: string])[];
};

/** A failure with a gRPC status of its own choice, for services that have no code of ours for it. The message is told to the caller. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  /** 1 to 16. */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    assert(Number.isInteger(code) && code >= 1 && code <= 16, `${code} is no gRPC status of a failure`);
    this.code = code;
  }
}
