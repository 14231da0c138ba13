import { setTimeout as sleep } from "node:timers/promises";
import { newClientId } from "./generator/identity.ts";
import { code, encodeHeartbeat, encodeReceive, responseStatus } from "./generator/messages.ts";
import { cpuSeconds } from "./generator/process-usage.ts";
import { openSession, readDeliveries } from "./generator/receive-load.ts";
import { type Address, grpcOk, RpcClient } from "./generator/rpc-client.ts";
import { rssBytes, type ServerProcesses } from "./measure.ts";

export type IdleWorkload = {
  readonly topic: string;
  readonly group: string;
  /** Clients that each have a telemetry stream and one ReceiveMessage that finds nothing. */
  readonly clients: number;
  /** Connections that they share; as many as clients: one each. */
  readonly connections: number;
  /** How long the server may hold a receive, milliseconds. */
  readonly pollMs: number;
  /** Whether a client that is answered asks again; else each asks once. */
  readonly repoll: boolean;
  /** Between heartbeats of one client, milliseconds; absent: none. */
  readonly heartbeatMs?: number;
  /** How long it is watched, milliseconds; at most `pollMs` when clients ask once. */
  readonly measuredMs: number;
};

export type IdleResult = IdleWorkload & {
  /** Server's memory before any client was there, and the largest while they waited. */
  readonly rssBeforeBytes: number;
  readonly rssMaxBytes: number;
  /** Share of one core that the server used, 0 to 1: without clients, and with them. */
  readonly coreBefore: number;
  readonly core: number;
  readonly openingMs: number;
  readonly failures: Readonly<Record<string, number>>;
};

/** Clients opened at the same time. */
const openingsMax = 100;
const requestTimeoutMs = 10_000;
const invisibleMs = 30_000;

/** Opens many clients that wait for messages which do not come. @throws {Error} when one cannot be opened */
export async function measureIdle(
  address: Address,
  server: ServerProcesses,
  workload: IdleWorkload,
  log: (line: string) => void,
): Promise<IdleResult> {
  const before = await watch(server, Math.min(5_000, workload.measuredMs));
  const waiting = new WaitingClients(address, workload);
  try {
    const startMs = performance.now();
    await waiting.open(log);
    const openingMs = performance.now() - startMs;
    waiting.ask();
    await sleep(Math.min(2_000, workload.pollMs / 10)); // All requests have reached the server.
    const during = await watch(server, workload.measuredMs);
    return {
      ...workload,
      rssBeforeBytes: before.rssMaxBytes,
      rssMaxBytes: during.rssMaxBytes,
      coreBefore: before.core,
      core: during.core,
      openingMs,
      failures: Object.fromEntries(waiting.failures),
    };
  } finally {
    waiting.close();
  }
}

async function watch(server: ServerProcesses, spanMs: number): Promise<{ rssMaxBytes: number; core: number }> {
  const cpu = (): number => server.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const startMs = performance.now();
  const cpuBefore = cpu();
  let rssMaxBytes = 0;
  for (let leftMs = spanMs; leftMs > 0; leftMs = startMs + spanMs - performance.now()) {
    await sleep(Math.min(500, leftMs));
    rssMaxBytes = Math.max(rssMaxBytes, rssBytes(server));
  }
  return { rssMaxBytes, core: ((cpu() - cpuBefore) * 1_000) / (performance.now() - startMs) };
}

type Waiting = { readonly client: RpcClient; readonly clientId: string; readonly queue: Buffer };

class WaitingClients {
  readonly failures = new Map<string, number>();
  readonly #address: Address;
  readonly #workload: IdleWorkload;
  readonly #connections: RpcClient[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #heartbeats: NodeJS.Timeout[] = [];
  #closed = false;

  constructor(address: Address, workload: IdleWorkload) {
    this.#address = address;
    this.#workload = workload;
  }

  async open(log: (line: string) => void): Promise<void> {
    const { clients, connections } = this.#workload;
    await inSteps(connections, async () => {
      this.#connections.push(await RpcClient.open(this.#address));
    });
    const [first] = this.#connections;
    const needed = 2 * Math.ceil(clients / connections);
    if (first !== undefined && needed > first.maxStreams)
      throw new Error(`${needed} open calls on a connection are too many: the server allows ${first.maxStreams}`);
    await inSteps(clients, async (n) => {
      await this.#openClient(n);
      if (this.#waiting.length % 2_000 === 0) log(`${this.#waiting.length} clients are open`);
    });
  }

  async #openClient(n: number): Promise<void> {
    const client = this.#connections[n % this.#connections.length];
    if (client === undefined) return;
    const clientId = n < this.#connections.length ? client.clientId : newClientId();
    const { topic, group, pollMs } = this.#workload;
    const queue = await openSession(client, { topic, group, pollMs, clientId });
    this.#waiting.push({ client, clientId, queue });
  }

  ask(): void {
    const { heartbeatMs } = this.#workload;
    for (const [n, waiting] of this.#waiting.entries()) {
      void this.#receive(waiting);
      if (heartbeatMs !== undefined) this.#beat(waiting, heartbeatMs, (heartbeatMs * n) / this.#waiting.length);
    }
  }

  async #receive({ client, clientId, queue }: Waiting): Promise<void> {
    const { topic, group, pollMs, repoll } = this.#workload;
    const request = encodeReceive({ topic, group, queue, batchSize: 32, invisibleMs, pollMs });
    do {
      const result = await client.unary("ReceiveMessage", request, pollMs + requestTimeoutMs, clientId);
      if (this.#closed) return;
      const { status } = readDeliveries(result);
      if (status !== `code ${code.messageNotFound}`) {
        this.#count(`receive ${status}`);
        return;
      }
    } while (repoll);
  }

  #beat({ client, clientId }: Waiting, everyMs: number, afterMs: number): void {
    const request = encodeHeartbeat(this.#workload.group);
    const beat = async (): Promise<void> => {
      const { end, messages } = await client.unary("Heartbeat", request, requestTimeoutMs, clientId);
      if (this.#closed) return;
      const [reply] = messages;
      const isAnswered = end.kind === "status" && end.code === grpcOk && reply !== undefined;
      const status = isAnswered ? `code ${responseStatus(reply).code}` : JSON.stringify(end);
      if (status !== `code ${code.ok}`) this.#count(`heartbeat ${status}`);
    };
    const start = setTimeout(() => {
      void beat();
      this.#heartbeats.push(setInterval(() => void beat(), everyMs));
    }, afterMs);
    this.#heartbeats.push(start);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#heartbeats) clearInterval(timer);
    for (const connection of this.#connections) connection.close();
  }

  #count(reason: string): void {
    this.failures.set(reason, (this.failures.get(reason) ?? 0) + 1);
  }
}

/** Runs `step(0)` to `step(count - 1)`, so many at a time. */
async function inSteps(count: number, step: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next; n < count; n = next) {
      next += 1;
      await step(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(openingsMax, count) }, worker));
}
