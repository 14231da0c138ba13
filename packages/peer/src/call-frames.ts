import { type ErrorCode, errorTable, SaturnError } from "@saturnmq/kit";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { PeerCallError } from "./ports.ts";
import { ProtocolError } from "./protocol-error.ts";

// The payload of a failure: outcome u8 · code text · message text. The code is empty unless the outcome is `error`.

const outcomes = { refused: 1, unknown: 2, error: 3 } as const;
/** Of an error's message. The rest is cut: it was made for a log line. UTF-16 units. */
const messageMax = 2_000;

/** Tells a caller how its call failed. */
export function encodeFailure(error: PeerCallError | SaturnError): Uint8Array {
  const into = new ByteWriter(256);
  if (error instanceof SaturnError) into.u8(outcomes.error);
  else into.u8(error.outcome === "refused" ? outcomes.refused : outcomes.unknown);
  into.text(error instanceof SaturnError ? error.code : "");
  into.text(error.message.slice(0, messageMax));
  return into.written();
}

/** @throws {ProtocolError} */
export function decodeFailure(payload: Uint8Array): PeerCallError | SaturnError {
  const from = new ByteReader(payload);
  const outcome = from.u8();
  const code = from.text();
  const message = from.text();
  from.end();
  if (outcome === outcomes.refused) return new PeerCallError("refused", message);
  if (outcome === outcomes.unknown) return new PeerCallError("unknown", message);
  if (outcome !== outcomes.error) throw new ProtocolError(`a call failed with outcome ${outcome}`);
  return new SaturnError(isErrorCode(code) ? code : "INTERNAL_ERROR", message);
}

/** A code of a later version is not known here. */
function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}
