import { SaturnError } from "@saturnmq/kit";
import type { FinishedRequest, MetadataState } from "./state.ts";

const requestIdMax = 64;

/**
 * What an earlier call with this request id did; `undefined` when there was none.
 *
 * @param call verb and subject, as `apply` remembers them
 * @throws {SaturnError} `BAD_REQUEST` if the id is unusable, or was used for another call
 */
export function finishedBefore(state: MetadataState, requestId: string, call: string): FinishedRequest | undefined {
  if (requestId.length === 0 || requestId.length > requestIdMax) {
    throw new SaturnError(
      "BAD_REQUEST",
      `request id must have 1 to ${requestIdMax} characters, not ${requestId.length}`,
    );
  }
  const earlier = state.requests.get(requestId);
  if (earlier === undefined || earlier.call === call) return earlier;
  throw new SaturnError(
    "BAD_REQUEST",
    `request id ${JSON.stringify(requestId)} was used for another call (${earlier.call}): choose a new one for each call`,
  );
}
