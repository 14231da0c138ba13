import { createHash } from "node:crypto";
import { DigestType } from "../rocketmq/messages.ts";

/** Bytes that a digest's text takes at most: an MD5 in hexadecimal. */
export const checksumBytesMax = 32;

/** How the text of a CRC-32 must look to be compared equal. */
const crcForms: Readonly<Record<string, { readonly radix: 10 | 16; readonly digitsMin: number }>> = {
  JAVA: { radix: 16, digitsMin: 1 },
  CPP: { radix: 16, digitsMin: 8 },
  PYTHON: { radix: 16, digitsMin: 8 },
  HTTP: { radix: 10, digitsMin: 1 },
};

/**
 * The kind of digest to send with a body to a client of `language` (header `x-mq-language`, upper case).
 *
 * A wrong one makes a client drop the message, a missing one makes some crash. CRC-32 costs nothing, as it is stored, but its text differs:
 * Java compares hexadecimal digits without leading zeros, C++ and Python eight of them, the Node client (which calls itself HTTP) the decimal
 * number. Of all others only MD5 is known to be compared in one form.
 */
export function digestType(language: string): DigestType {
  return Object.hasOwn(crcForms, language) ? DigestType.CRC32 : DigestType.MD5;
}

/**
 * Writes the digest's text, in the form that `language` compares, at `target[at...]`; answers its end.
 *
 * @param bodyCrc CRC-32 of the body, 0 to 2^32 - 1
 * @param bytes hold the body at `[start, start + length)`, which is read when the CRC does not do
 */
export function writeChecksum(
  target: Buffer,
  at: number,
  language: string,
  bodyCrc: number,
  bytes: Uint8Array,
  start: number,
  length: number,
): number {
  const form = Object.hasOwn(crcForms, language) ? crcForms[language] : undefined;
  if (form !== undefined) return writeDigits(target, at, bodyCrc, form.radix, form.digitsMin);
  const md5 = createHash("md5").update(bytes.subarray(start, start + length));
  return at + target.write(md5.digest("hex").toUpperCase(), at, "latin1");
}

/** Writes `value` with at least so many digits, in upper case. */
function writeDigits(target: Buffer, at: number, value: number, radix: 10 | 16, digitsMin: number): number {
  let digits = 1;
  for (let rest = Math.floor(value / radix); rest > 0; rest = Math.floor(rest / radix)) digits += 1;
  const end = at + Math.max(digits, digitsMin);
  let rest = value;
  for (let next = end - 1; next >= at; next -= 1) {
    const digit = rest % radix;
    target[next] = digit < 10 ? 48 + digit : 55 + digit;
    rest = Math.floor(rest / radix);
  }
  return end;
}
