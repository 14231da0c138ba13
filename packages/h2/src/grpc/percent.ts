const hex = "0123456789ABCDEF";
const percentSign = 0x25;
/** Longer texts are cut: they travel in a header block, which clients bound. */
const messageBytesMax = 2_048;

/** `grpc-message` as it travels: UTF-8, octets outside of space to tilde and the percent sign itself as %XX (gRPC over HTTP/2, "Percent-Encoded"). */
export function percentEncode(text: string): string {
  const bytes = Buffer.from(text, "utf8");
  const end = bytes.length <= messageBytesMax ? bytes.length : characterStart(bytes, messageBytesMax);
  let encoded = "";
  for (let at = 0; at < end; at += 1) {
    const octet = bytes[at] ?? 0;
    const plain = octet >= 0x20 && octet <= 0x7e && octet !== percentSign;
    encoded += plain ? String.fromCharCode(octet) : `%${hex.charAt(octet >> 4)}${hex.charAt(octet & 15)}`;
  }
  // A field's value neither begins nor ends with a blank (RFC 9113 8.2.1).
  return encoded.replace(/^ /, "%20").replace(/ $/, "%20");
}

/** The last place at or before `at` where a character of UTF-8 begins. */
function characterStart(bytes: Uint8Array, at: number): number {
  let start = at;
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  return start;
}
