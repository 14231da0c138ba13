/** What a caller does about a failed call. */
export type ErrorClass =
  /** There is no such object: a deletion is done, an update starts over. */
  | "notFound"
  /** Somebody else was faster: read again. */
  | "conflict"
  /** What was watched is too old: list again. */
  | "gone"
  /** The object or the caller is wrong: trying again without a change is useless. */
  | "refused"
  /** The server is busy, broken or away: the same call may succeed later. Whether it took effect is unknown. */
  | "unavailable";

const classes: Readonly<Record<number, ErrorClass>> = {
  404: "notFound",
  409: "conflict",
  410: "gone",
  429: "unavailable",
};

/** A call to the API server that failed; `status` 0: no answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly errorClass: ErrorClass;
  /** The server asks to wait so long, milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super(message, options);
    this.status = status;
    this.errorClass = classes[status] ?? (status >= 400 && status < 500 ? "refused" : "unavailable");
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Whether `error` is a failed call of one of these classes. */
export function isApiError(error: unknown, ...wanted: readonly ErrorClass[]): error is ApiError {
  return error instanceof ApiError && wanted.includes(error.errorClass);
}
