import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import {
  type Address,
  backlogTable,
  code,
  compare,
  comparisonTable,
  deliveryTable,
  idleTable,
  listenersOn,
  machineFacts,
  machineLine,
  measureBacklog,
  measureDelivery,
  measureIdle,
  measureOverload,
  measureReceive,
  measureSend,
  measureSoak,
  overloadTable,
  receiveTable,
  rocketSide,
  type ServerProcesses,
  type Span,
  saveResult,
  sendTable,
  soakTable,
} from "@saturnmq/bench";
import { SaturnError } from "@saturnmq/kit";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import { type Io, print } from "../io.ts";
import { type GlobalOptions, printResult } from "../output.ts";

/** What every `saturnmq bench` command takes. */
export type BenchOptions = GlobalOptions & {
  /** One that exists; absent: one of SaturnMQ that is made, and deleted at the end. */
  readonly topic?: string;
  readonly connections: number;
  readonly body: number;
  readonly warmUp: number;
  readonly measure: number;
  /** Processes of the server; absent: those that listen on the endpoint's port. */
  readonly pid?: readonly number[];
  readonly data?: string;
  readonly save?: string;
  readonly quick?: true;
};

export type ProduceBenchOptions = BenchOptions & { readonly inFlight: readonly number[]; readonly batch: number };
export type SteadyBenchOptions = BenchOptions & { readonly inFlight: number; readonly rate: number };
export type ConsumeBenchOptions = BenchOptions & {
  readonly inFlight: readonly number[];
  readonly batch: number;
  readonly group?: string;
};
export type DeliveryBenchOptions = BenchOptions & {
  readonly inFlight: number;
  readonly rate?: number;
  readonly groups: readonly number[];
};
export type BacklogBenchOptions = BenchOptions & {
  readonly inFlight: number;
  readonly batch: number;
  readonly size: number;
};
export type OverloadBenchOptions = BenchOptions & { readonly inFlight: number; readonly factors: readonly number[] };
export type IdleBenchOptions = BenchOptions & {
  readonly clients: number;
  readonly poll: number;
  readonly heartbeat?: number;
};
export type CompareBenchOptions = BenchOptions & {
  readonly inFlight: readonly number[];
  /** The other server. */
  readonly with: string;
  readonly pairs: number;
  /** Percent. */
  readonly stealMax: number;
};
export type SoakBenchOptions = SteadyBenchOptions & { readonly churn: number; readonly metrics?: string };

/** SendMessage in a closed loop, a row for each number in flight. */
export async function benchProduce(io: Io, options: ProduceBenchOptions): Promise<void> {
  await bench(io, "produce", options, async ({ address, server, topic, span, each }) => {
    const results = await each(options.inFlight, (inFlight) => {
      const connections = Math.min(options.connections, inFlight);
      const workload = { topic, bodyBytes: options.body, batch: options.batch, connections, inFlight };
      return measureSend(address, server, workload, span);
    });
    return { result: results, page: sendTable(results) };
  });
}

/** SendMessage at a fixed rate; latency from the intended time. */
export async function benchSteady(io: Io, options: SteadyBenchOptions): Promise<void> {
  await bench(io, "steady", options, async ({ address, server, topic, span }) => {
    const { connections, inFlight, rate: perSecond, body: bodyBytes } = options;
    const workload = { topic, bodyBytes, batch: 1, connections, inFlight, perSecond };
    const result = await measureSend(address, server, workload, span);
    return { result, page: sendTable([result]) };
  });
}

/** ReceiveMessage and AckMessage of what is there. */
export async function benchConsume(io: Io, options: ConsumeBenchOptions): Promise<void> {
  const { topic } = options;
  if (topic === undefined)
    throw new CliError(exitCodes.usage, "say with --topic what to consume; 'bench backlog' makes its own messages");
  await bench(io, "consume", options, async ({ address, server, span, each, id }) => {
    const results = await each(options.inFlight, (inFlight) => {
      const group = options.group ?? `bench-${id}-${inFlight}`;
      const connections = Math.min(options.connections, inFlight);
      const workload = { topic, group, batchSize: options.batch, connections, inFlight };
      return measureReceive(address, server, workload, span);
    });
    return { result: results, page: receiveTable(results) };
  });
}

/** Senders and groups at once, a row for each number of groups. */
export async function benchDelivery(
  io: Io,
  name: "end-to-end" | "fan-out",
  options: DeliveryBenchOptions,
): Promise<void> {
  await bench(io, name, options, async ({ address, server, topic, span, each, id }) => {
    const { connections, inFlight, rate, body: bodyBytes } = options;
    const pace = rate === undefined ? {} : { perSecond: rate };
    const load = { topic, bodyBytes, batch: 1, connections, inFlight, receivesPerGroup: 1, ...pace };
    const results = await each(options.groups, (groups) =>
      measureDelivery(address, server, { ...load, groups, groupPrefix: `bench-${id}-${groups}` }, span),
    );
    return { result: results, page: deliveryTable(results) };
  });
}

/** Stores a backlog and drains it. */
export async function benchBacklog(io: Io, options: BacklogBenchOptions): Promise<void> {
  await bench(io, "backlog", options, async ({ address, server, topic, id, log }) => {
    const { connections, inFlight, batch: batchSize, body: bodyBytes, size } = options;
    const group = `bench-${id}`;
    const backlogBytes = size * 2 ** 20;
    const workload = { topic, group, batchSize, connections, inFlight, bodyBytes, backlogBytes };
    const result = await measureBacklog(address, server, workload, log);
    return { result, page: backlogTable([result]) };
  });
}

/** Asks for several times the peak. */
export async function benchOverload(io: Io, options: OverloadBenchOptions): Promise<void> {
  await bench(io, "overload", options, async ({ address, server, topic, span }) => {
    const { connections, inFlight, body: bodyBytes, factors } = options;
    const workload = { topic, bodyBytes, batch: 1, connections, inFlight, factors };
    const result = await measureOverload(address, server, workload, span);
    return { result, page: overloadTable(result) };
  });
}

/** Many clients that wait. */
export async function benchIdle(io: Io, options: IdleBenchOptions): Promise<void> {
  await bench(io, "idle", options, async ({ address, server, topic, span, id, log }) => {
    const { clients, heartbeat, poll: pollMs } = options;
    const connections = Math.min(clients, options.connections);
    const repoll = span.measuredMs > pollMs;
    const beats = heartbeat === undefined ? {} : { heartbeatMs: heartbeat };
    const counts = { topic, group: `bench-${id}`, clients, connections, pollMs, repoll, ...beats };
    const result = await measureIdle(address, server, { ...counts, measuredMs: span.measuredMs }, log);
    return { result, page: idleTable([result]) };
  });
}

/** Sends and receives for long. */
export async function benchSoak(io: Io, options: SoakBenchOptions): Promise<void> {
  await bench(io, "soak", options, async ({ address, server, topic, span, id, log }) => {
    const { connections, inFlight, rate: perSecond, body: bodyBytes, churn: churnMs, metrics } = options;
    const load = { topic, bodyBytes, batch: 1, connections, inFlight, perSecond };
    const source = metrics === undefined ? {} : { metricsUrl: metrics };
    const workload = { ...load, ...source, group: `bench-${id}`, churnMs, measuredMs: span.measuredMs };
    const result = await measureSoak(address, server, workload, log);
    return { result, page: soakTable(result) };
  });
}

/** Two servers in turns: `--endpoint` and `--with`. */
export async function benchCompare(io: Io, options: CompareBenchOptions): Promise<void> {
  const { topic } = options;
  if (topic === undefined) throw new CliError(exitCodes.usage, "name with --topic a topic that both servers have");
  await bench(io, "compare", options, async ({ address, server, span, log }) => {
    const other = addressOf(options.with);
    const others = { pids: listenersOn(other.port) };
    const unknown = "what an acknowledgement means is its operator's to say";
    const a = rocketSide(options.endpoint, unknown, address, server, topic);
    const b = rocketSide(options.with, unknown, other, others, topic);
    const points = options.inFlight.map((inFlight) => ({ inFlight, bodyBytes: options.body }));
    const result = await compare(a, b, points, { pairs: options.pairs, span, stealMax: options.stealMax / 100 }, log);
    return { result, page: comparisonTable(result) };
  });
}

type Setting = {
  readonly address: Address;
  readonly server: ServerProcesses;
  readonly topic: string;
  readonly span: Span;
  /** Of this run, for the names that it makes. */
  readonly id: string;
  readonly log: (line: string) => void;
  readonly each: <Value, Result>(
    values: readonly Value[],
    run: (value: Value) => Promise<Result>,
  ) => Promise<readonly Result[]>;
};

/** Page without a title, and everything measured. */
type Outcome = { readonly result: unknown; readonly page: string };

async function bench(
  io: Io,
  name: string,
  options: BenchOptions,
  run: (setting: Setting) => Promise<Outcome>,
): Promise<void> {
  const log = (line: string): void => {
    io.stderr.write(`${line}\n`);
  };
  const address = addressOf(options.endpoint);
  const server = serverOf(options, address, log);
  const id = randomBytes(4).toString("hex");
  const topic = options.topic ?? (await makeTopic(options.endpoint, `bench-${id}`));
  const each: Setting["each"] = async (values, measured) => {
    const results = [];
    for (const value of values) {
      log(`${name}: ${String(value)}`);
      results.push(await measured(value));
    }
    return results;
  };
  try {
    const outcome = await untilInterrupted(io, run({ address, server, topic, span: spanOf(options), id, log, each }));
    await report(io, name, options, outcome);
  } catch (error) {
    throw told(error, options.endpoint);
  } finally {
    if (options.topic === undefined) await deleteTopic(options.endpoint, topic, log);
  }
}

async function report(io: Io, name: string, options: BenchOptions, { result, page }: Outcome): Promise<void> {
  const machine = machineFacts(options.data ?? ".");
  const whole = { bench: name, endpoint: options.endpoint, quick: options.quick === true, machine, result };
  const quick = options.quick === true ? " (quick: short spans, no claims)" : "";
  const title = `# ${name} against ${options.endpoint}, ${machine.date.slice(0, 10)}${quick}`;
  const text = [title, machineLine(machine), page].join("\n\n");
  await printResult(io, options.output, whole, () => text);
  if (options.save === undefined) return;
  await saveResult(resolve(options.save), whole, text);
  await print(io.stderr, `written to ${options.save}.md and .json\n`);
}

function addressOf(endpoint: string): Address {
  const colon = endpoint.lastIndexOf(":");
  return { host: endpoint.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(endpoint.slice(colon + 1)) };
}

function serverOf({ pid, data }: BenchOptions, { port }: Address, log: (line: string) => void): ServerProcesses {
  const pids = pid ?? listenersOn(port);
  if (pids.length === 0) log("the server's processes are not known here: its CPU and memory are not measured (--pid)");
  return data === undefined ? { pids } : { pids, folder: resolve(data) };
}

const quickSpan: Span = { warmUpMs: 1_000, measuredMs: 3_000 };

function spanOf({ warmUp, measure, quick }: BenchOptions): Span {
  if (quick !== true) return { warmUpMs: warmUp, measuredMs: measure };
  return {
    warmUpMs: Math.min(warmUp, quickSpan.warmUpMs),
    measuredMs: Math.min(measure, quickSpan.measuredMs),
  };
}

async function makeTopic(endpoint: string, name: string): Promise<string> {
  using admin = await AdminClient.open(endpoint);
  try {
    await admin.call("CreateTopic", { requestId: newRequestId(), name, type: "NORMAL", queues: 8 });
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== exitCodes.notOffered) throw error;
    throw new CliError(exitCodes.usage, `${endpoint} is no SaturnMQ: name a topic that it has with --topic`);
  }
  return name;
}

async function deleteTopic(endpoint: string, name: string, log: (line: string) => void): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  await admin.call("DeleteTopic", { requestId: newRequestId(), name }).catch((error: unknown) => {
    log(`the topic ${name} is left behind: ${String(error)}`);
  });
}

/** A load ends with its process: nothing of it is worth waiting for. */
function untilInterrupted<Result>(io: Io, running: Promise<Result>): Promise<Result> {
  return new Promise((done, fail) => {
    io.interrupted.addEventListener("abort", () => {
      fail(new CliError(exitCodes.interrupted, "interrupted"));
    });
    running.then(done, fail);
  });
}

function told(error: unknown, endpoint: string): unknown {
  if (!(error instanceof Error) || error instanceof CliError || error instanceof SaturnError) return error;
  const isRefusal = "code" in error && error.code === "ECONNREFUSED";
  if (isRefusal) return new CliError(exitCodes.unreachable, `nobody answers at ${endpoint}`, { cause: error });
  const topicMissing = error.message.includes(String(code.topicNotFound));
  if (topicMissing) return new CliError(exitCodes.notFound, error.message, { cause: error });
  return error;
}
