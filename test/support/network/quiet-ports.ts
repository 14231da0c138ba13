import { once } from "node:events";
import { createServer } from "node:net";

/** An address of this machine that no connection has as its own end: a port of it that is left for a while is not taken by one. */
export const quietHost = "127.0.0.2";

/** So many TCP ports of `quietHost` that nothing listens on at the moment, all different. */
export async function quietPorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, quietHost));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
