import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "@jest/globals";
import { listenersOn } from "./listener.ts";

test("the process that listens on a port is found, and nobody where nobody listens", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const found = listenersOn(port);
  server.close();
  await once(server, "close");
  expect(found).toEqual([process.pid]);
  expect(listenersOn(port)).toEqual([]);
});
