/** What the first bytes of a connection say. `more`: too few to tell. */
export type FirstBytes = "tls" | "http2" | "http1" | "unknown" | "more";

/** The client connection preface of HTTP/2 (RFC 9113, section 3.4). */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** TLS record type "handshake" (RFC 8446, section 5.1): the first byte of every ClientHello. */
const tlsHandshake = 0x16;
/** Methods of HTTP/1 requests that may come by mistake: browsers, probes, WebDAV. */
const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND"].map(
  (method) => Buffer.from(`${method} `, "latin1"),
);

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
  let kind: FirstBytes = "unknown";
  for (const method of methods) {
    const known = commonPrefix(head, method);
    if (known === method.length) return "http1";
    if (known === head.length) kind = "more";
  }
  return kind;
}

function commonPrefix(left: Uint8Array, right: Uint8Array): number {
  const end = Math.min(left.length, right.length);
  let at = 0;
  while (at < end && left[at] === right[at]) at += 1;
  return at;
}
