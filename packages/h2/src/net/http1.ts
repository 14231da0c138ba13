/** A whole answer to a peer that speaks HTTP/1 where only gRPC is served. @param text for people, a line */
export function http1Refusal(text: string): string {
  const body = `${text}\n`;
  return [
    "HTTP/1.1 400 Bad Request",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}
