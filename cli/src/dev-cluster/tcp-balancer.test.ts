import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { type Backend, TcpBalancer } from "./tcp-balancer.ts";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

/** A server that answers each line with its own name before it. */
async function backend(name: string): Promise<Backend & { readonly server: Server; readonly sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => socket.write(`${name}:${bytes.toString()}`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const { port } = server.address() as { port: number };
  return { name, host: "127.0.0.1", port, server, sockets };
}

async function balancer(backends: readonly Backend[], serves: (backend: Backend) => boolean = () => true) {
  const opened = await TcpBalancer.open({
    ...{ host: "127.0.0.1", port: 0, backends, probeEveryMs: 5 },
    probe: (member) => Promise.resolve(serves(member)),
  });
  open.push({ close: () => opened[Symbol.asyncDispose]() });
  return opened;
}

class Client {
  readonly socket: Socket;
  readonly closed: Promise<void>;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    open.push({ close: () => this.socket.destroy() });
  }

  ask(text: string): Promise<string> {
    this.socket.write(text);
    return new Promise((resolve) => this.socket.once("data", (bytes) => resolve(bytes.toString())));
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("a TCP balancer", () => {
  test("spreads connections, and leaves each where it is", async () => {
    const backends = [await backend("a"), await backend("b")];
    const { port } = await balancer(backends);
    const clients = [1, 2, 3, 4].map(() => new Client(port));
    const names = [];
    for (const client of clients) names.push(await client.ask("x"));
    expect(names.toSorted()).toEqual(["a:x", "a:x", "b:x", "b:x"]);
    expect(await clients[0]!.ask("y")).toBe(names[0]!.replace("x", "y"));
  });

  test("ends a client's connection with its backend's, and takes the next one elsewhere", async () => {
    const [a, b] = [await backend("a"), await backend("b")];
    const { port } = await balancer([a, b]);
    const first = new Client(port);
    const name = (await first.ask("x")).slice(0, 1);
    const [dead, alive] = name === "a" ? [a, b] : [b, a];
    dead.server.close();
    for (const socket of dead.sockets) socket.destroy();
    await first.closed;
    for (let nth = 0; nth < 3; nth += 1) expect(await new Client(port).ask("x")).toBe(`${alive.name}:x`);
  });

  test("passes over a backend that accepts and does not serve, and goes back to it when it does", async () => {
    const [a, b] = [await backend("a"), await backend("b")];
    let sick = true;
    const through = await balancer([a, b], ({ name }) => name === "b" || !sick);
    await until(() => through.serving.length === 1);
    for (let nth = 0; nth < 4; nth += 1) expect(await new Client(through.port).ask("x")).toBe("b:x");
    sick = false;
    await until(() => through.serving.length === 2);
    expect(await new Client(through.port).ask("x")).toBe("a:x");
  });

  test("hangs up when nobody accepts", async () => {
    const a = await backend("a");
    const { port } = await balancer([a]);
    a.server.close();
    await new Client(port).closed;
  });

  test("says what to do about a port in use", async () => {
    const a = await backend("a");
    await expect(
      TcpBalancer.open({ host: "127.0.0.1", port: a.port, backends: [a], probe: () => Promise.resolve(true) }),
    ).rejects.toThrow(/127\.0\.0\.1:\d+.*--grpc-port/);
  });

  test("passes much data both ways", async () => {
    const { port } = await balancer([await backend("a")]);
    const { socket } = new Client(port);
    let received = 0;
    socket.on("data", (bytes) => (received += bytes.length));
    const sent = 8 * 1024 * 1024;
    for (let at = 0; at < 128; at += 1) socket.write(Buffer.alloc(sent / 128, 65));
    await until(() => received >= sent);
  });
});
