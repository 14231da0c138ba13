/** Bytes that are not what they claim to be, or a value that cannot be written. The sender's fault: nothing was changed, nothing was allocated for it. */
export class WireError extends Error {
  override readonly name = "WireError";
}
