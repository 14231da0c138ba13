import { type ErrorCode, errorTable, type Logger, SaturnError } from "@saturnmq/kit";

/** `Status` of a RocketMQ 5 answer. */
export type Status = { readonly code: number; readonly message: string };

export const okCode = 20_000;
export const multipleResultsCode = 30_000;

export const ok: Status = { code: okCode, message: "OK" };

/** What a failure is for a client: a `SaturnError` is told, anything else is a bug, logged here once and hidden there. */
export function statusOf(error: unknown, rpc: string, log: Logger): Status {
  if (error instanceof SaturnError) return refusal(error.code, error.message);
  log.error({ err: error, rpc }, "a call failed on a bug");
  return refusal("INTERNAL_SERVER_ERROR", "the broker failed; its log has the reason");
}

/** The text begins with the code's name: clients and tests look for it. */
export function refusal(code: ErrorCode, message: string): Status {
  return { code: errorTable[code].v2, message: `${code}: ${message}` };
}
