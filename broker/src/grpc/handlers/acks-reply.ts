import type { Logger, SaturnError } from "@saturnmq/kit";
import type { v2 } from "@saturnmq/wire";
import { multipleResultsCode, ok, type Status, statusOf } from "./status.ts";

type Entry = { readonly messageId: string; readonly receiptHandle: string };
type Reply = { readonly status: Status; readonly entries: v2.AckMessageResultEntry[] };

/**
 * The answer to an acknowledgement. Clients look at the top status only: it is the entries' own when they all agree, else `MULTIPLE_RESULTS`.
 *
 * @param outcomes why an entry is not finished, at its place
 */
export function acksReply(
  entries: readonly Entry[],
  outcomes: readonly (SaturnError | undefined)[],
  log: Logger,
): Reply {
  const results = entries.map(({ messageId, receiptHandle }, at) => {
    const error = outcomes[at];
    return { messageId, receiptHandle, status: error === undefined ? ok : statusOf(error, "AckMessage", log) };
  });
  return { status: combined(results.map(({ status }) => status)), entries: results };
}

function combined(statuses: readonly Status[]): Status {
  const first = statuses[0] ?? ok;
  if (statuses.every(({ code }) => code === first.code)) return first;
  return { code: multipleResultsCode, message: "MULTIPLE_RESULTS: the entries differ, look at each" };
}
