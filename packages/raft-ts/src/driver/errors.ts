/**
 * `NOT_LEADER`: ask the leader. `REFUSED`: not now, the message says why. `UNKNOWN_OUTCOME`: it may have come about or not. `CLOSED`: the group was
 * closed.
 */
export type RaftErrorCode = "NOT_LEADER" | "REFUSED" | "UNKNOWN_OUTCOME" | "CLOSED";

/** Why a request to a group did not come about. */
export class RaftError extends Error {
  override readonly name = "RaftError";
  readonly code: RaftErrorCode;

  constructor(code: RaftErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
