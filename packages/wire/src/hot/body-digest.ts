import { createHash } from "node:crypto";
import { DigestType } from "../rocketmq/messages.ts";

/** Check sum of a body in the text form that one client language compares. */
export type BodyDigest = { readonly type: DigestType; readonly checksum: string };

/**
 * The digest to send with a body to a client of `language` (header `x-mq-language`, upper case).
 *
 * A wrong one makes a client drop the message, a missing one makes some crash. CRC-32 costs nothing, as it is stored, but its text differs:
 * Java compares hexadecimal digits without leading zeros, C++ and Python eight of them, the Node client (which calls itself HTTP) the decimal
 * number. Of all others only MD5 is known to be compared in one form.
 *
 * @param bodyCrc CRC-32 of the body, 0 to 2^32 - 1
 * @param body asked for when the CRC does not do
 */
export function bodyDigest(language: string, bodyCrc: number, body: () => Uint8Array): BodyDigest {
  switch (language) {
    case "JAVA":
      return { type: DigestType.CRC32, checksum: bodyCrc.toString(16).toUpperCase() };
    case "CPP":
    case "PYTHON":
      return { type: DigestType.CRC32, checksum: bodyCrc.toString(16).toUpperCase().padStart(8, "0") };
    case "HTTP":
      return { type: DigestType.CRC32, checksum: bodyCrc.toString() };
    default:
      return { type: DigestType.MD5, checksum: createHash("md5").update(body()).digest("hex").toUpperCase() };
  }
}
