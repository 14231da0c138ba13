import { errorTable, type Logger, SaturnError } from "@saturnmq/kit";
import type { HeaderField } from "../core/hpack-encoder.ts";
import { percentEncode } from "./percent.ts";
import { type Failure, GrpcError, grpcStatus } from "./status.ts";

/**
 * The gRPC status of what a handler threw. A `SaturnError` or `GrpcError` is told to the caller, the former's code in the trailer named, as several
 * share one status; anything else is a bug: logged here, hidden there.
 */
export function failureOf(error: unknown, path: string, codeTrailer: string, log: Logger): Failure {
  if (error instanceof SaturnError) {
    return {
      code: errorTable[error.code].grpc,
      message: error.message,
      trailers: [[codeTrailer, error.code]],
    };
  }
  if (error instanceof GrpcError) return { code: error.code, message: error.message };
  log.error({ err: error, rpc: path }, "a call failed on a bug");
  return { code: grpcStatus.internal, message: "the broker failed; its log has the reason" };
}

/** The trailers of a call that failed. */
export function failureFields(failure: Failure): readonly HeaderField[] {
  const fields: HeaderField[] = [["grpc-status", String(failure.code)]];
  if (failure.message !== "") fields.push(["grpc-message", percentEncode(failure.message)]);
  return [...fields, ...(failure.trailers ?? [])];
}
