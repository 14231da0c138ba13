/** A broken invariant: a bug in this program or memory. Never caught to carry on; the process ends. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * Stops the caller when `condition` is false. Kept on in production.
 *
 * @throws {InvariantError} with `message`
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Marks a branch that the types say cannot be reached. */
export function assertNever(value: never): never {
  throw new InvariantError(`unreachable value: ${JSON.stringify(value)}`);
}

/** The value, which the surrounding logic guarantees to be there. */
export function defined<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new InvariantError(`${what} is missing`);
  return value;
}
