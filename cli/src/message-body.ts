import { isUtf8 } from "node:buffer";
import { gunzipSync } from "node:zlib";

/** Bound on what a compressed body may become, bytes: one that claims more is shown as it is. */
const unpackedMax = 64 * 1_024 * 1_024;

/** The body as its producer had it: clients compress large ones. What cannot be unpacked stays as it is. */
export function originalBody(body: Uint8Array, isGzip: boolean): Uint8Array {
  if (!isGzip) return body;
  try {
    return gunzipSync(body, { maxOutputLength: unpackedMax });
  } catch {
    // Producers can claim anything; the stored bytes are still worth seeing.
    return body;
  }
}

/** A body's fields in JSON: `body` when it is text, else `bodyBase64`. */
export function bodyFields(body: Uint8Array): { readonly body: string } | { readonly bodyBase64: string } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return isUtf8(bytes) ? { body: bytes.toString("utf8") } : { bodyBase64: bytes.toString("base64") };
}
