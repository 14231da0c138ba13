import { type ServiceError, status } from "@grpc/grpc-js";
import { type ErrorCode, errorTable, SaturnError } from "@saturnmq/kit";
import { errorCodeTrailer, leaderTrailer } from "@saturnmq/wire";
import type { Failure } from "./rpc.ts";

const passingStatuses: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.RESOURCE_EXHAUSTED,
  // Without a code of ours: the connection broke in the middle of an answer.
  status.INTERNAL,
  status.UNKNOWN,
]);

/** What a failed gRPC call means. Several codes share a status: the trailer tells them apart. */
export function failureOf(error: ServiceError, address: string): Failure {
  const code = textOf(error, errorCodeTrailer);
  const reason = `${address}: ${error.details}`;
  if (code === "HA_NOT_AVAILABLE") return { kind: "passing", reason, leader: leaderOf(error) };
  if (code !== undefined && isErrorCode(code)) {
    return { kind: "refused", error: new SaturnError(code, error.details, { cause: error }) };
  }
  if (passingStatuses.has(error.code)) return { kind: "passing", reason, leader: undefined };
  const unknown = error.code === status.UNIMPLEMENTED;
  const words = unknown ? `${reason}: is it a SaturnMQ name server of this version?` : reason;
  return {
    kind: "refused",
    error: new SaturnError(unknown ? "UNIMPLEMENTED" : "INTERNAL_ERROR", words, { cause: error }),
  };
}

function textOf({ metadata }: ServiceError, trailer: string): string | undefined {
  const value = (metadata as ServiceError["metadata"] | undefined)?.get(trailer)[0];
  return typeof value === "string" ? value : undefined;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

/** Only what can be an address is followed. */
function leaderOf(error: ServiceError): string | undefined {
  const address = textOf(error, leaderTrailer);
  return address !== undefined && /^[\w.\-:[\]]{1,255}:\d{1,5}$/.test(address) ? address : undefined;
}
