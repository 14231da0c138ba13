/** Bytes from a peer that no correct peer of a version we know sends. The link is closed; nothing else came of them. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}
