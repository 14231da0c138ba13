import { once } from "node:events";
import { createServer, type Http2Server, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { decodeHeaders, encodeHeaders, type Header, tableBytes } from "./hpack.ts";
import { decodeHuffman } from "./huffman.ts";

const request: readonly Header[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/apache.rocketmq.v2.MessagingService/SendMessage"],
  [":authority", "127.0.0.1:8081"],
  ["content-type", "application/grpc"],
  ["x-mq-client-id", `host@${"9".repeat(200)}`],
];

describe("HPACK (RFC 7541)", () => {
  test("Huffman examples of appendix C", () => {
    expect(decodeHuffman(Buffer.from("f1e3c2e5f23a6ba0ab90f4ff", "hex"))).toBe("www.example.com");
    expect(decodeHuffman(Buffer.from("a8eb10649cbf", "hex"))).toBe("no-cache");
    expect(decodeHuffman(Buffer.from("9d29ad171863c78f0b97c8e9ae82ae43d3", "hex"))).toBe("https://www.example.com");
  });

  test("an indexed field, a literal and a table size update are read", () => {
    const block = Buffer.concat([
      Buffer.from([0x20, 0x88, 0x00, 0x0b]),
      Buffer.from("grpc-status"),
      Buffer.from("\x010"),
    ]);
    expect([...decodeHeaders(block)]).toEqual([
      [":status", "200"],
      ["grpc-status", "0"],
    ]);
  });

  test.each([
    { what: "a dynamic entry", bytes: [0xbe] },
    { what: "a text that runs over", bytes: [0x00, 0x05, 0x61] },
    { what: "a dynamic table above 0", bytes: [0x3f, 0xe1, 0x1f] },
    { what: "an endless integer", bytes: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
  ])("$what is refused", ({ bytes }) => {
    expect(() => decodeHeaders(Uint8Array.from(bytes))).toThrow();
  });

  test("the server of node:http2 reads the first and every later block alike", async () => {
    const server = createServer();
    const seen: IncomingHttpHeaders[] = [];
    server.on("stream", (stream, headers) => {
      seen.push(headers);
      stream.respond({ ":status": 200 }, { endStream: true });
    });
    const port = await listen(server);
    const blocks = encodeHeaders(request, new Set(["x-mq-client-id"]));
    const socket = connect(port, "127.0.0.1");
    socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]));
    for (const [n, block] of [blocks.first, blocks.later, blocks.later].entries())
      socket.write(frame(1, 5, 2 * n + 1, block));
    while (seen.length < 3) await once(server, "stream");
    socket.destroy();
    server.close();
    for (const headers of seen) {
      for (const [name, value] of request) expect(headers[name]).toBe(value);
    }
    expect(blocks.later.length).toBeLessThan(blocks.first.length);
    expect(tableBytes(request)).toBeGreaterThan(200);
  });
});

async function listen(server: Http2Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
