import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { frame, frameType } from "./frames.ts";
import { RpcClient } from "./rpc-client.ts";

let server: Server;
afterEach(() => {
  server.close();
});

/** A peer that answers the first bytes with `parts`, in one write, and then closes if it is told to. */
async function peer(parts: readonly Buffer[], closes: boolean): Promise<number> {
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write(Buffer.concat(parts));
      if (closes) socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const settings = frame(frameType.settings, 0, 0, Buffer.alloc(0));
const goAway = frame(frameType.goAway, 0, 0, Buffer.alloc(8));

test.each([
  { what: "says with its first bytes that it goes away", parts: [settings, goAway], closes: false },
  { what: "closes right behind its first bytes", parts: [settings], closes: true },
])("a client of a server that $what is not to be used", async ({ parts, closes }) => {
  const port = await peer(parts, closes);
  const client = await RpcClient.open({ host: "127.0.0.1", port });
  const { end } = await client.unary("Heartbeat", Buffer.alloc(0), 2_000);
  expect(end.kind).not.toBe("status");
  expect(client.usable).toBe(false);
  client.close();
});
