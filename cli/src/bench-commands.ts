import { type Command, InvalidArgumentError, Option } from "commander";
import type {
  BacklogBenchOptions,
  CompareBenchOptions,
  ConsumeBenchOptions,
  DeliveryBenchOptions,
  IdleBenchOptions,
  OverloadBenchOptions,
  ProduceBenchOptions,
  SoakBenchOptions,
  SteadyBenchOptions,
} from "./commands/bench.ts";
import type { Io } from "./io.ts";
import { parseDuration, parseEndpoint, parseWhole } from "./parse.ts";
import { spanOption } from "./span-option.ts";

const inFlightMax = 65_536;
const connectionsMax = 60_000;
const bodyBytesMax = 4 * 2 ** 20;

const benchHelp = `
The generator speaks HTTP/2 itself, checks every reply, and every body that it receives against its digest. It drives any
RocketMQ 5 endpoint; of a server other than SaturnMQ name a topic that exists (--topic). Of a server on this machine, CPU time and memory are reported.
A figure means something only beside another of the same run on a machine that does nothing else: docs/measuring.md.`;

/** `saturnmq bench`: load of every kind against any RocketMQ 5 endpoint. */
export function addBench(program: Command, io: Io): void {
  const bench = program
    .command("bench")
    .description("measure a server under load")
    .copyInheritedSettings(program)
    .addHelpText("after", benchHelp);
  addLoads(bench, io);
  addCompare(bench, io);
  addDeliveries(bench, io);
  addLimits(bench, io);
}

/** Defaults of one command. */
type Defaults = { readonly connections: number; readonly measureMs: number; readonly warmUpMs?: number };

/** A command with what all of them take. `run` gets those and what the caller adds: commander cannot know their types. */
function add(
  bench: Command,
  [name, description]: readonly [name: string, description: string],
  { connections, measureMs, warmUpMs = 4_000 }: Defaults,
  run: (options: never) => Promise<void>,
): Command {
  return bench
    .command(name)
    .description(description)
    .copyInheritedSettings(bench)
    .option("--topic <name>", "one that exists (default: one of SaturnMQ that is made, and deleted at the end)")
    .option("--connections <n>", "connections, each a client", parseWhole(1, connectionsMax), connections)
    .option("--body <bytes>", "of a message", parseWhole(16, bodyBytesMax), 1_024)
    .addOption(spanOption("--warm-up <span>", "load before anything counts", warmUpMs))
    .addOption(spanOption("--measure <span>", "how long is measured", measureMs))
    .option(
      "--pid <pids>",
      "processes of the server (default: those that listen on the endpoint's port)",
      parseWholes(1),
    )
    .option("--data <folder>", "a folder on the server's disk: its flushes are counted")
    .option("--save <path>", "write <path>.md and <path>.json too")
    .option("--quick", "spans of 3 s at most: shows that everything works, supports no claim")
    .action(async (_options: object, command: Command) => run(command.optsWithGlobals<never>()));
}

function addLoads(bench: Command, io: Io): void {
  const defaults = { connections: 4, measureMs: 15_000 };
  add(bench, ["produce", "send as fast as it is answered"], defaults, async (options: ProduceBenchOptions) => {
    const { benchProduce } = await import("./commands/bench.ts");
    await benchProduce(io, options);
  })
    .addOption(inFlights("requests open at once; several, like 1,16,200, one after the other", [200]))
    .option("--batch <n>", "messages in a request", parseWhole(1, 32), 1);
  add(
    bench,
    ["steady", "send at a fixed rate; latency counts from the intended time"],
    defaults,
    async (options: SteadyBenchOptions) => {
      const { benchSteady } = await import("./commands/bench.ts");
      await benchSteady(io, options);
    },
  )
    .option("--rate <n>", "messages a second", parseWhole(1), 10_000)
    .addOption(inFlightMost());
  add(
    bench,
    ["consume", "receive and acknowledge what a topic holds"],
    defaults,
    async (options: ConsumeBenchOptions) => {
      const { benchConsume } = await import("./commands/bench.ts");
      await benchConsume(io, options);
    },
  )
    .addOption(inFlights("receives open at once; several, like 1,16, one after the other", [16]))
    .option("--group <name>", "consumer group (default: a new one for each row)")
    .option("--batch <n>", "messages asked for at once", parseWhole(1, 32), 32);
}

function addCompare(bench: Command, io: Io): void {
  add(
    bench,
    ["compare", "send to two servers in turns, and compare them pair by pair"],
    { connections: 4, measureMs: 2_000, warmUpMs: 500 },
    async (options: CompareBenchOptions) => {
      const { benchCompare } = await import("./commands/bench.ts");
      await benchCompare(io, options);
    },
  )
    .addOption(new Option("--with <host:port>", "the other server").argParser(parseEndpoint).makeOptionMandatory())
    .option("--pairs <n>", "pairs that count, for each number in flight", parseWhole(1, 1_000), 7)
    .option("--steal-max <percent>", "windows of which the host kept more do not count", parseWhole(0, 100), 2)
    .addOption(inFlights("requests open at once; several, like 1,16,200", [1, 16, 64, 200, 1_024]));
}

function addDeliveries(bench: Command, io: Io): void {
  const defaults = { connections: 4, measureMs: 15_000 };
  add(
    bench,
    ["end-to-end", "send at a fixed rate to one group; how old messages are when they come"],
    defaults,
    async (options: DeliveryBenchOptions) => {
      const { benchDelivery } = await import("./commands/bench.ts");
      await benchDelivery(io, "end-to-end", { ...options, groups: [1] });
    },
  )
    .option("--rate <n>", "messages a second", parseWhole(1), 1_000)
    .addOption(inFlightMost());
  add(
    bench,
    ["fan-out", "send as fast as it is answered while many groups receive everything"],
    defaults,
    async (options: DeliveryBenchOptions) => {
      const { benchDelivery } = await import("./commands/bench.ts");
      await benchDelivery(io, "fan-out", options);
    },
  )
    .option("--groups <list>", "numbers of groups, one after the other", parseWholes(1, 10_000), [1, 10, 100])
    .option("--rate <n>", "messages a second (default: as fast as they are answered)", parseWhole(1))
    .option("--in-flight <n>", "requests open at once", parseWhole(1, inFlightMax), 64);
  add(
    bench,
    ["backlog", "store a backlog, then drain it to the last message"],
    defaults,
    async (options: BacklogBenchOptions) => {
      const { benchBacklog } = await import("./commands/bench.ts");
      await benchBacklog(io, options.quick === true ? { ...options, size: Math.min(options.size, 64) } : options);
    },
  )
    .option("--size <MiB>", "bodies to store", parseWhole(1), 5_120)
    .option("--in-flight <n>", "receives open at once", parseWhole(1, inFlightMax), 16)
    .option("--batch <n>", "messages asked for at once", parseWhole(1, 32), 32);
}

function addLimits(bench: Command, io: Io): void {
  add(
    bench,
    ["overload", "ask for several times the peak, and look how soon calm returns"],
    { connections: 16, measureMs: 10_000 },
    async (options: OverloadBenchOptions) => {
      const { benchOverload } = await import("./commands/bench.ts");
      await benchOverload(io, options);
    },
  )
    .option("--factors <list>", "times the peak, one after the other", parseWholes(1, 100), [2, 10])
    .addOption(inFlightMost(1_024));
  add(
    bench,
    ["idle", "open many clients that each wait for a message that does not come"],
    { connections: 10_000, measureMs: 38_000 },
    async (options: IdleBenchOptions) => {
      const { benchIdle } = await import("./commands/bench.ts");
      const few =
        options.quick === true ? { clients: Math.min(options.clients, 500), poll: Math.min(options.poll, 10_000) } : {};
      await benchIdle(io, { ...options, ...few });
    },
  )
    .option("--clients <n>", "clients; more than connections: several share one", parseWhole(1, 1_000_000), 10_000)
    .addOption(
      spanOption(
        "--poll <span>",
        "how long the server may hold a receive; shorter than --measure: clients ask again",
        40_000,
      ),
    )
    .option("--heartbeat <span>", "between the heartbeats of a client (default: none)", parseDuration);
  add(
    bench,
    ["soak", "send and receive for long while connections come and go, and watch memory"],
    { connections: 4, measureMs: 1_800_000 },
    async (options: SoakBenchOptions) => {
      const { benchSoak } = await import("./commands/bench.ts");
      await benchSoak(
        io,
        options.quick === true ? { ...options, quick: true, churn: Math.min(options.churn, 500) } : options,
      );
    },
  )
    .option("--rate <n>", "messages a second: about 30 % of the peak", parseWhole(1), 5_000)
    .addOption(inFlightMost())
    .addOption(spanOption("--churn <span>", "between replacements of connections", 5_000))
    .option("--metrics <url>", "the server's metrics, for its heap, like http://127.0.0.1:9090/metrics");
}

function inFlights(description: string, value: readonly number[]): Option {
  return new Option("--in-flight <list>", description).argParser(parseWholes(1, inFlightMax)).default(value);
}

function inFlightMost(value = 4_096): Option {
  return new Option("--in-flight <n>", "the most requests open at once")
    .argParser(parseWhole(1, inFlightMax))
    .default(value);
}

/** A parser of whole numbers in [min, max], separated by commas. */
function parseWholes(min: number, max?: number): (text: string) => readonly number[] {
  const one = parseWhole(min, max);
  return (text) => {
    const numbers = text.split(",").map((part) => one(part.trim()));
    if (new Set(numbers).size !== numbers.length) throw new InvalidArgumentError("Give each number once.");
    return numbers;
  };
}
