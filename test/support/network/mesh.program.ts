import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Network } from "./network.ts";
import type { Endpoint, NetworkFault } from "./network-faults.ts";

// Runs inside a namespace: endpoints that each hold a TCP connection to every other one and say numbers on it, which shows what arrives.

const tcpPort = 7_000;
const udpPort = 7_001;
/** Longer than anything takes here that arrives at all. */
const arrivesWithinMs = 150;
const healsWithinMs = 20_000;

type Line = { readonly edge: string; readonly write: (number: number) => void };

const lines: Line[] = [];
const heard = new Map<string, number>();
const datagrams = new Map<string, { readonly socket: DatagramSocket; readonly from: Map<string, number> }>();
let known: readonly Endpoint[] = [];
let network: Network;
let said = 0;

/** Connects all with all. */
export async function build(endpoints: readonly Endpoint[]): Promise<readonly string[]> {
  known = endpoints;
  network = await Network.open(endpoints);
  for (const endpoint of endpoints) await listen(endpoint);
  for (const [at, from] of endpoints.entries()) for (const to of endpoints.slice(at + 1)) await join(from, to);
  return arriving(healsWithinMs);
}

/** Which edges carry something before, during and after a fault, and how many packets it took. */
export async function observe(fault: NetworkFault): Promise<{
  readonly before: readonly string[];
  readonly during: readonly string[];
  readonly taken: number;
  readonly after: readonly string[];
}> {
  const before = await arriving(healsWithinMs);
  await network.cut(fault);
  const cut = new Set(fault.map(({ from, to }) => `${from}>${to}`));
  const during = await arriving(healsWithinMs, lines.length - cut.size);
  const taken = await network.taken();
  await network.heal();
  return { before, during, taken, after: await arriving(healsWithinMs) };
}

/** How many of `count` datagrams arrive each way. */
export async function countDatagrams(given: {
  readonly fault: NetworkFault;
  readonly one: string;
  readonly other: string;
  readonly count: number;
}): Promise<readonly [there: number, back: number]> {
  const { fault, one, other, count } = given;
  await network.cut(fault);
  for (const { from } of datagrams.values()) from.clear();
  for (let sent = 0; sent < count; sent += 1) {
    datagrams.get(one)?.socket.send("x", udpPort, hostOf(other));
    datagrams.get(other)?.socket.send("x", udpPort, hostOf(one));
    // A turn of the event loop reads 32 datagrams of a socket: more a turn would overflow its buffer.
    if (sent % 25 === 24) await sleep(1);
  }
  await sleep(arrivesWithinMs);
  await network.heal();
  const arrived = (to: string, from: string): number => datagrams.get(to)?.from.get(hostOf(from)) ?? 0;
  return [arrived(other, one), arrived(one, other)];
}

/** What a connection, and one that is opened meanwhile, are told under a fault. */
export async function told(given: {
  readonly fault: NetworkFault;
  readonly from: string;
  readonly to: string;
}): Promise<{ readonly open: string; readonly fresh: string; readonly later: string }> {
  const { fault, from, to } = given;
  const socket = await dial(from, to);
  await network.cut(fault);
  const open = outcomeOf(socket);
  socket.write("0\n");
  const fresh = dial(from, to).then(
    () => "connected",
    (error: unknown) => String((error as NodeJS.ErrnoException).code),
  );
  const told = { open: await open, fresh: await fresh };
  await network.heal();
  const again = await dial(from, to);
  again.destroy();
  return { ...told, later: "connected" };
}

async function listen({ name, host }: Endpoint): Promise<void> {
  const server = createServer((socket) => {
    const peer = known.find((other) => other.host === socket.remoteAddress)?.name ?? "stranger";
    attach(socket, name, peer);
  });
  server.listen(tcpPort, host);
  await once(server, "listening");
  const socket = createSocket("udp4");
  const from = new Map<string, number>();
  socket.on("message", (_, { address }) => from.set(address, (from.get(address) ?? 0) + 1));
  socket.bind(udpPort, host);
  await once(socket, "listening");
  datagrams.set(name, { socket, from });
}

async function join(from: Endpoint, to: Endpoint): Promise<void> {
  attach(await dial(from.name, to.name), from.name, to.name);
}

async function dial(from: string, to: string): Promise<Socket> {
  const socket = connect({ host: hostOf(to), port: tcpPort, localAddress: hostOf(from), noDelay: true });
  await once(socket, "connect");
  return socket;
}

/** Notes what `own` hears of `peer` on the connection, and says numbers on it. */
function attach(socket: Socket, own: string, peer: string): void {
  socket.on("error", () => undefined);
  createInterface({ input: socket }).on("line", (line) => heard.set(`${peer}>${own}`, Number(line)));
  const edge = `${own}>${peer}`;
  if (!lines.some((line) => line.edge === edge)) lines.push({ edge, write: (number) => socket.write(`${number}\n`) });
}

/** The edges over which a number that is said now arrives: waits for so many of them, and then a little for others. */
async function arriving(withinMs: number, expected = lines.length): Promise<readonly string[]> {
  said += 1;
  for (const { write } of lines) write(said);
  const arrived = (): string[] => lines.map(({ edge }) => edge).filter((edge) => heard.get(edge) === said);
  const until = performance.now() + withinMs;
  while (performance.now() < until && arrived().length < expected) await sleep(5);
  if (expected < lines.length) await sleep(arrivesWithinMs);
  return arrived().toSorted();
}

function outcomeOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

function hostOf(name: string): string {
  return known.find((endpoint) => endpoint.name === name)?.host ?? "";
}
