/**
 * Whether `bytes[start, end)` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
 *
 * Clients in Java, Go and Python refuse a whole message for one malformed string, so it must not come in. Allocates nothing.
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    if ((bytes[at] as number) < 0x80) {
      at += 1;
      continue;
    }
    const length = sequenceLength(bytes, at, end);
    if (length === 0) return false;
    at += length;
  }
  return true;
}

/** Length of the well-formed sequence of two to four bytes at `at`; 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] as number;
  const length =
    lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
  if (length === 0 || at + length > end) return 0;
  const second = bytes[at + 1] as number;
  // The second byte's range shrinks after these leads, which is how overlong forms, surrogates and too large points are kept out.
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let index = at + 2; index < at + length; index += 1) {
    if (((bytes[index] as number) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** Bytes of `text` in UTF-8; a lone surrogate counts as U+FFFD, as it is written. */
export function utf8Length(text: string): number {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) >= 0x80) return Buffer.byteLength(text);
  }
  return text.length;
}

const encoder = new TextEncoder();

/** Writes `text`, whose `utf8Length` the caller has made room for; answers the end. */
export function writeUtf8(target: Uint8Array, at: number, text: string): number {
  if (Buffer.isBuffer(target)) return at + target.write(text, at);
  return at + encoder.encodeInto(text, target.subarray(at)).written;
}
