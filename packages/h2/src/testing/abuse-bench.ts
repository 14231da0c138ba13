/*
 * What others feel of an offender: calls at a steady rate over connections of their own, timed from when they were due, first in peace and then beside
 * each offence of `offences.ts` in turn, again and again; the medians are printed as a table.
 *
 *   make bench-abuse ARGS="[rounds] [milliseconds of a round] [part of an offence's name]"
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { cpus, release } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { defined } from "@saturnmq/kit";
import { data, grpcMessage, grpcRequest, headers, settingsAck, windowUpdate } from "./frames.ts";
import { offences } from "./offences.ts";
import { RawClient } from "./raw-client.ts";

const bystanders = 4;
const callsPerSecond = 400;
/** The first calls of a connection, and of an offence, do not count. */
const warmUpMs = 500;
const ratioAllowed = 2;

type Round = { readonly calmP99Ms: number; readonly abusedP99Ms: number; readonly cut: number };

function startBeside(file: string, args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), args);
}

/** Calls for so long; how long each took from when it was due, milliseconds. */
async function callFor(ms: number, clients: readonly Caller[]): Promise<number[]> {
  const everyMs = 1_000 / callsPerSecond;
  const startMs = performance.now();
  const took: number[] = [];
  const calls: Promise<void>[] = [];
  for (let n = 0; n * everyMs < ms; n += 1) {
    const dueMs = startMs + n * everyMs;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    const client = defined(clients[n % clients.length], "client");
    calls.push(client.call().then(() => void took.push(performance.now() - dueMs)));
  }
  await Promise.all(calls);
  return took;
}

/** So many replies fit the window that every connection begins with. */
const callsPerGrant = 100;
const bodyBytes = 256;

/** A client that behaves. */
class Caller {
  readonly #client: RawClient;
  #calls = 0;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async open(port: number): Promise<Caller> {
    const client = await RawClient.open(port);
    client.send(settingsAck);
    return new Caller(client);
  }

  async call(): Promise<void> {
    const stream = 2 * this.#calls + 1;
    this.#calls += 1;
    if (this.#calls % callsPerGrant === 0) this.#client.send(windowUpdate(0, callsPerGrant * (bodyBytes + 5)));
    const request = headers(stream, grpcRequest("/test.Echo/Fast"));
    this.#client.send(Buffer.concat([request, data(stream, grpcMessage(Buffer.alloc(bodyBytes, 0x61)), true)]));
    await this.#client.untilEnded(stream);
    this.#client.forget(stream);
  }

  close(): void {
    this.#client.close();
  }
}

async function measure(what: string, limits: Record<string, number>, ms: number): Promise<Round> {
  const server = startBeside("abuse-server.ts", [JSON.stringify(limits)]);
  const [{ port }] = (await once(server, "message")) as [{ port: number }];
  const clients = await Promise.all(Array.from({ length: bystanders }, () => Caller.open(port)));
  await callFor(warmUpMs, clients);
  const calm = await callFor(ms, clients);
  const offender = startBeside("abuse-offender.ts", [String(port), what]);
  await callFor(2 * warmUpMs, clients);
  const abused = await callFor(ms, clients);
  offender.send("enough");
  const [cut] = (await once(offender, "message")) as [number];
  for (const client of clients) client.close();
  server.disconnect();
  await once(server, "exit");
  return { calmP99Ms: quantile(calm, 0.99), abusedP99Ms: quantile(abused, 0.99), cut };
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const rounds = Number(process.argv[2] ?? 5);
const ms = Number(process.argv[3] ?? 3_000);
const wanted = process.argv[4] ?? "";
const machine = `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Linux ${release()}, Node ${process.version}`;
say(
  `${machine}; ${callsPerSecond} calls a second over ${bystanders} connections, medians of ${rounds} rounds of ${ms} ms\n`,
);
say("| offence | p99 in peace, ms | p99 beside it, ms | times | connections cut |\n|---|---|---|---|---|");
for (const { what, limits = {} } of offences.filter((offence) => offence.what.includes(wanted))) {
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) measured.push(await measure(what, limits, ms));
  const median = (of: (round: Round) => number): number => quantile(measured.map(of), 0.5);
  const times = median(({ calmP99Ms, abusedP99Ms }) => abusedP99Ms / calmP99Ms);
  const [calm, abused] = [median((round) => round.calmP99Ms), median((round) => round.abusedP99Ms)];
  say(`| ${what} | ${calm.toFixed(2)} | ${abused.toFixed(2)} | ${times.toFixed(2)} | ${median(({ cut }) => cut)} |`);
  if (times > ratioAllowed) process.exitCode = 1;
}
