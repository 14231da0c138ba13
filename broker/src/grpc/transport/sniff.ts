/** What the first bytes of a connection say. `more`: too few to tell. */
export type FirstBytes = "tls" | "http2" | "http1" | "unknown" | "more";

/** The client connection preface of HTTP/2 (RFC 9113, section 3.4). */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** TLS record type "handshake" (RFC 8446, section 5.1): the first byte of every ClientHello. */
const tlsHandshake = 0x16;
/** The longest method in use ("PROPPATCH") and its space. */
const methodBytesMax = 10;
const upperA = 0x41;
const upperZ = 0x5a;
const space = 0x20;

/** Tells TLS, HTTP/2 without TLS, HTTP/1 and the rest apart. Needs at most 24 bytes. */
export function classify(head: Uint8Array): FirstBytes {
  if (head.length === 0) return "more";
  if (head[0] === tlsHandshake) return "tls";
  const known = commonPrefix(head, preface);
  if (known === preface.length) return "http2";
  if (known === head.length) return "more";
  return classifyMethod(head);
}

function classifyMethod(head: Uint8Array): FirstBytes {
  for (let at = 0; at < Math.min(head.length, methodBytesMax); at += 1) {
    const byte = head[at] ?? 0;
    if (byte === space) return at > 2 ? "http1" : "unknown";
    if (byte < upperA || byte > upperZ) return "unknown";
  }
  return head.length < methodBytesMax ? "more" : "unknown";
}

function commonPrefix(left: Uint8Array, right: Uint8Array): number {
  const end = Math.min(left.length, right.length);
  let at = 0;
  while (at < end && left[at] === right[at]) at += 1;
  return at;
}
