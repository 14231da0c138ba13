import type { LogLevel } from "@saturnmq/kit/node";
import { Command, Option } from "commander";
import { addBench } from "./bench-commands.ts";
import type { BrokerVerb } from "./commands/broker.ts";
import type { StatusOptions } from "./commands/cluster-status.ts";
import type { UpgradeOptions } from "./commands/cluster-upgrade.ts";
import type { ConsumeOptions } from "./commands/consume.ts";
import type { DevOptions } from "./commands/dev.ts";
import type { GroupCreateOptions } from "./commands/group.ts";
import type { GroupResetOptions } from "./commands/group-reset.ts";
import type { InspectOptions } from "./commands/log.ts";
import type { PeekOptions, SkipOptions } from "./commands/message.ts";
import type { NameServerAddOptions, NameServerChangeOptions } from "./commands/name-server.ts";
import type { ProduceCommandOptions } from "./commands/produce.ts";
import type { ServerOptions } from "./commands/server.ts";
import type { TopicCreateOptions } from "./commands/topic.ts";
import type { DevClusterOptions } from "./dev-cluster/dev-cluster.ts";
import { CliError, exitCodes } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { type GlobalOptions, outputs } from "./output.ts";
import { collect, parseDuration, parseEndpoint, parseNames, parsePlace, parseProperty, parseWhole } from "./parse.ts";
import { spanOption } from "./span-option.ts";

const logLevels = ["debug", "info", "warn", "error", "silent"] as const satisfies readonly LogLevel[];
const attemptsMax = 1_000;
const queuesMax = 1_024;

const exitCodeHelp = `
Exit codes:
  0    done
  1    failed
  2    the command line is wrong, or the server refused a value in it
  3    not found
  4    nobody answers at the endpoint, or not in time, or it is not ready
  5    refused for the moment (overload, full disk): try again
  6    exists already
  7    this version does not offer it
  8    cannot be done as things stand: the message says what has to change first
  130  interrupted`;

/**
 * The whole command line. Commands load their code when they run, so that help and `dev` start fast.
 *
 * @param io given to the command that runs
 */
export function buildProgram(io: Io, version: string): Command {
  const program = new Command("saturnmq")
    .description("SaturnMQ: a message broker for the RocketMQ 5 clients")
    .version(version)
    .addOption(endpointOption())
    .addOption(new Option("--output <form>", "form of results").choices(outputs).default("text"))
    .addHelpText("after", exitCodeHelp)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .exitOverride();
  addDev(program, io);
  addNameServer(program, io);
  addOperator(program, io);
  addTopic(program, io);
  addGroup(program, io);
  addProduce(program, io);
  addConsume(program, io);
  addMessage(program, io);
  addCluster(program, io);
  addBroker(program, io);
  addShard(program, io);
  addLog(program, io);
  addBench(program, io);
  return program;
}

function endpointOption(): Option {
  return new Option("--endpoint <host:port>", "any broker of the cluster")
    .env("SATURNMQ_ENDPOINT")
    .default("127.0.0.1:8081")
    .argParser(parseEndpoint);
}

/** A command below `parent` that inherits its settings for help and errors. */
function add(parent: Command, nameAndArguments: string, description: string): Command {
  return parent.command(nameAndArguments).description(description).copyInheritedSettings(parent);
}

function addDev(program: Command, io: Io): void {
  add(program, "dev", "run a name server and a broker in this process, or a cluster of processes, until Ctrl-C")
    .addOption(
      new Option("--data <folder>", "where everything is kept").env("SATURNMQ_DATA_DIR").default("./saturnmq-data"),
    )
    .addOption(portOption("--grpc-port <port>", "port for clients; 0: any free one", "SATURNMQ_GRPC_PORT", 8_081))
    .addOption(
      portOption("--http-port <port>", "port of health and metrics; 0: any free one", "SATURNMQ_HTTP_PORT", 9_090),
    )
    .addOption(new Option("--host <address>", "address to listen on").env("SATURNMQ_HOST").default("127.0.0.1"))
    .addOption(transportOption())
    .addOption(logLevelOption())
    .option("--brokers <n>", "run a cluster of so many brokers, each a process of its own", parseWhole(1, 100))
    .option("--nameservers <n>", "of a cluster: 1, 3 or 5", parseWhole(1, 5))
    .option("--zones <names>", "of a cluster: failure zones its members are spread over, like a,b,c", parseNames)
    .option(
      "--network <n>",
      "of a cluster: its members have the addresses 127.0.<n>.y (default: a free one)",
      parseWhole(1, 254),
    )
    .addOption(spanOption("--restart-after <span>", "of a cluster: when a member that ended is started again", 5_000))
    .option("--no-restart", "of a cluster: leave a member that ended as it is")
    .addHelpText(
      "after",
      "\nEvery other setting of the broker is an environment variable, SATURNMQ_...: see docs/configuration.md." +
        "\nWith --brokers, --grpc-port is a port of its own that spreads connections over the brokers that serve, as a Service does in Kubernetes;" +
        "\neach broker's own address, which is printed, works too.",
    )
    .action(async (options: DevCommandOptions) => {
      const told = withTransport(io, options);
      if (options.brokers !== undefined) return devAsCluster(told, { ...options, brokers: options.brokers });
      if (options.nameservers !== undefined || options.zones !== undefined)
        throw new CliError(exitCodes.usage, "--nameservers and --zones are about a cluster: give --brokers too");
      const { dev } = await import("./commands/dev.ts");
      await dev(told, options);
    });
}

type DevCommandOptions = DevOptions &
  TransportChoice & {
    readonly brokers?: number;
    readonly nameservers?: number;
    readonly zones?: readonly string[];
    readonly network?: number;
    readonly restartAfter: number;
    readonly restart: boolean;
  };

async function devAsCluster(io: Io, options: DevCommandOptions & { readonly brokers: number }): Promise<void> {
  const { devCluster } = await import("./dev-cluster/dev-cluster.ts");
  const { data, host, grpcPort, logLevel, brokers, nameservers = 1, zones = [], network } = options;
  const restartAfterMs = options.restart ? options.restartAfter : undefined;
  const cluster: DevClusterOptions = { data, host, grpcPort, logLevel, brokers, nameservers, zones, restartAfterMs };
  await devCluster(io, network === undefined ? cluster : { ...cluster, network });
}

function addServer(program: Command, name: string, description: string): Command {
  return add(program, name, description)
    .option("--config <file>", "JSON file of settings; each is also an environment variable, SATURNMQ_..., which wins")
    .addOption(logLevelOption())
    .addHelpText("after", "\nAll settings: docs/configuration.md.");
}

function addNameServer(program: Command, io: Io): void {
  const nameServer = addServer(
    program,
    "nameserver",
    "run a name server of a cluster, until Ctrl-C; or ask about name servers, add and remove them",
  ).action(async (options: ServerOptions) => {
    const { runNameServer } = await import("./commands/server.ts");
    await runNameServer(io, options);
  });
  add(nameServer, "list", "show name servers, and what part each has in the group").action(
    async (_options: object, command: Command) => {
      const { nameServerList } = await import("./commands/name-server.ts");
      await nameServerList(io, command.optsWithGlobals<GlobalOptions>());
    },
  );
  addNameServerChanges(nameServer, io);
}

function addNameServerChanges(nameServer: Command, io: Io): void {
  const byId = (line: string, description: string): Command =>
    add(nameServer, line, description)
      .argument("<id>", "its member id", parseWhole(1, 2 ** 31 - 1))
      .option("--wait", "end only when the group is as wanted");
  byId("add", "make a place in the group for a name server that starts with an empty folder")
    .requiredOption("--host <host>", "host name or address at which the other members and the brokers reach it")
    .option("--grpc-port <port>", "its port for brokers and tools", parseWhole(1, 65_535), 8_082)
    .option("--peer-port <port>", "its port for the other members", parseWhole(1, 65_535), 8_084)
    .action(async (id: number, _options: object, command: Command) => {
      const { nameServerAdd } = await import("./commands/name-server.ts");
      await nameServerAdd(io, id, command.optsWithGlobals<NameServerAddOptions>());
    });
  byId("remove", "take a name server out of the group, for ever").action(
    async (id: number, _options: object, command: Command) => {
      const { nameServerRemove } = await import("./commands/name-server.ts");
      await nameServerRemove(io, id, command.optsWithGlobals<NameServerChangeOptions>());
    },
  );
}

type TransportChoice = { readonly transport?: string };

function transportOption(): Option {
  return new Option("--transport <name>", "what serves the port for clients (default: h2)").choices(["h2", "grpc-js"]);
}

/** The option is the environment variable of the setting, said on the command line: it reaches every broker that the command starts. */
function withTransport(io: Io, { transport }: TransportChoice): Io {
  return transport === undefined ? io : { ...io, env: { ...io.env, SATURNMQ_TRANSPORT: transport } };
}

function addOperator(program: Command, io: Io): void {
  addServer(program, "operator", "make the clusters true that a Kubernetes API server declares, until Ctrl-C").action(
    async (options: ServerOptions) => {
      const { runOperator } = await import("./commands/operator.ts");
      await runOperator(io, options);
    },
  );
}

function logLevelOption(): Option {
  return new Option("--log-level <level>", "log lines to keep")
    .env("SATURNMQ_LOG_LEVEL")
    .choices(logLevels)
    .default("info");
}

function portOption(flags: string, description: string, variable: string, value: number): Option {
  return new Option(flags, description).env(variable).default(value).argParser(parseWhole(0, 65_535));
}

function addTopic(program: Command, io: Io): void {
  const topic = add(program, "topic", "make, show and delete topics");
  add(topic, "create <name>", "make a topic")
    .option("--type <type>", "normal or fifo (delay, transaction, priority and mixed are not built yet)", "normal")
    .option("--queues <n>", "1 to 1024", parseWhole(1, queuesMax), 8)
    .option("--retention <span>", "how long messages are kept, like 12h or 3d (default: the cluster's)", parseDuration)
    .action(async (name: string, _options: object, command: Command) => {
      const { topicCreate } = await import("./commands/topic.ts");
      await topicCreate(io, name, command.optsWithGlobals<TopicCreateOptions>());
    });
  add(topic, "list", "show all topics").action(async (_options: object, command: Command) => {
    const { topicList } = await import("./commands/topic.ts");
    await topicList(io, command.optsWithGlobals<GlobalOptions>());
  });
  add(topic, "describe <name>", "show a topic and its queues").action(
    async (name: string, _options: object, command: Command) => {
      const { topicDescribe } = await import("./commands/topic.ts");
      await topicDescribe(io, name, command.optsWithGlobals<GlobalOptions>());
    },
  );
  add(topic, "delete <name>", "delete a topic and its messages").action(
    async (name: string, _options: object, command: Command) => {
      const { topicDelete } = await import("./commands/topic.ts");
      await topicDelete(io, name, command.optsWithGlobals<GlobalOptions>());
    },
  );
}

function addGroup(program: Command, io: Io): void {
  const group = add(program, "group", "make, show, reset and delete consumer groups");
  add(group, "create <name>", "make a consumer group")
    .addOption(
      new Option(
        "--from <place>",
        "where it starts (default: the beginning of topics younger than 1 h, else now)",
      ).choices(["earliest", "latest"]),
    )
    .option("--order", "deliver messages of one message group in order, to one consumer at a time")
    .option(
      "--max-attempts <n>",
      "deliveries of a message before it becomes a dead letter (default: 17)",
      parseWhole(1, attemptsMax),
    )
    .action(async (name: string, _options: object, command: Command) => {
      const { groupCreate } = await import("./commands/group.ts");
      await groupCreate(io, name, command.optsWithGlobals<GroupCreateOptions>());
    });
  add(group, "list", "show all consumer groups").action(async (_options: object, command: Command) => {
    const { groupList } = await import("./commands/group.ts");
    await groupList(io, command.optsWithGlobals<GlobalOptions>());
  });
  add(
    group,
    "describe <name>",
    "show start, lag, in flight, parked, dead letters, expired and oldest unacknowledged message",
  ).action(async (name: string, _options: object, command: Command) => {
    const { groupDescribe } = await import("./commands/group.ts");
    await groupDescribe(io, name, command.optsWithGlobals<GlobalOptions>());
  });
  add(
    group,
    "reset <name> [topic]",
    "start a group anew from a place, on all topics or one: what it had acknowledged there counts no more",
  )
    .requiredOption(
      "--to <place>",
      "earliest, latest, a time like 2026-01-31T12:00:00Z, or how long ago, like 2h",
      (text) => parsePlace(text, Date.now()),
    )
    .option("--dry-run", "only show what would change on each queue")
    .action(async (name: string, topic: string | undefined, _options: object, command: Command) => {
      const { groupReset } = await import("./commands/group-reset.ts");
      await groupReset(io, name, topic, command.optsWithGlobals<GroupResetOptions>());
    });
  add(group, "delete <name>", "delete a consumer group and its progress").action(
    async (name: string, _options: object, command: Command) => {
      const { groupDelete } = await import("./commands/group.ts");
      await groupDelete(io, name, command.optsWithGlobals<GlobalOptions>());
    },
  );
}

function addProduce(program: Command, io: Io): void {
  add(program, "produce <topic>", "send each line of standard input as a message; empty lines are skipped and counted")
    .option("--tag <tag>", "tag of every message")
    .option("--message-group <group>", "message group of every message, for FIFO topics: lines keep their order")
    .option("--key <key>", "key of every message; may be repeated", collect)
    .option("--property <key=value>", "property of every message; may be repeated", parseProperty)
    .addHelpText(
      "after",
      "\nA send whose answer was lost is repeated with the same message id, so a message may be stored twice, never lost.",
    )
    .action(async (topic: string, _options: object, command: Command) => {
      const { produce } = await import("./commands/produce.ts");
      await produce(io, topic, command.optsWithGlobals<ProduceCommandOptions>());
    });
}

function addConsume(program: Command, io: Io): void {
  add(program, "consume <topic>", "print messages, acknowledging them once printed, until Ctrl-C")
    .requiredOption("--group <group>", "consumer group; made at its first use")
    .option("--count <n>", "end after so many messages", parseWhole(1))
    .option("--tag <expression>", "only messages with this tag; several as 'a || b'", "*")
    .option("--timeout <span>", "end when no message has come for so long, like 5s", parseDuration)
    .action(async (topic: string, _options: object, command: Command) => {
      const { consume } = await import("./commands/consume.ts");
      await consume(io, topic, command.optsWithGlobals<ConsumeOptions>());
    });
}

function addMessage(program: Command, io: Io): void {
  const message = add(program, "message", "look at single messages");
  add(message, "peek <topic>", "show a message by its place, without receiving it")
    .requiredOption("--queue <n>", "queue of the topic, from 0", parseWhole(0))
    .requiredOption("--offset <n>", "offset in the queue, from 0", parseWhole(0))
    .action(async (topic: string, _options: object, command: Command) => {
      const { messagePeek } = await import("./commands/message.ts");
      await messagePeek(io, topic, command.optsWithGlobals<PeekOptions>());
    });
  addMessageSkip(message, io);
}

function addMessageSkip(message: Command, io: Io): void {
  add(message, "skip <topic>", "finish a message for a group without delivering it; cannot be undone")
    .requiredOption("--group <group>", "consumer group that shall not get it")
    .requiredOption("--queue <n>", "queue of the topic, from 0", parseWhole(0))
    .requiredOption("--offset <n>", "offset in the queue, from 0", parseWhole(0))
    .option("--yes", "do it; without this the command says what it would do and refuses")
    .action(async (topic: string, _options: object, command: Command) => {
      const { messageSkip } = await import("./commands/message.ts");
      await messageSkip(io, topic, command.optsWithGlobals<SkipOptions>());
    });
}

function addCluster(program: Command, io: Io): void {
  const cluster = add(program, "cluster", "look at the cluster, upgrade it");
  add(cluster, "status", "show name servers, zones, brokers and shards: leaders, moves in progress, lag")
    .option("--watch", "show it again and again, until Ctrl-C")
    .addOption(spanOption("--every <span>", "with --watch: how often", 1_000))
    .action(async (_options: object, command: Command) => {
      const { clusterStatus } = await import("./commands/cluster-status.ts");
      await clusterStatus(io, command.optsWithGlobals<StatusOptions>());
    });
  add(cluster, "upgrade", "raise the feature level once all members run a new version; cannot be taken back")
    .option("--to <level>", "the level (default: the highest that all members know)", parseWhole(1, 65_535))
    .option("--dry-run", "only say what would be done")
    .action(async (_options: object, command: Command) => {
      const { clusterUpgrade } = await import("./commands/cluster-upgrade.ts");
      await clusterUpgrade(io, command.optsWithGlobals<UpgradeOptions>());
    });
}

const brokerVerbs = {
  undrain: "take a drain back",
  "transfer-leaders": "have a broker hand over all that it leads, before a restart",
  forget: "remove a broker that is down and holds nothing, for ever",
} as const satisfies Record<BrokerVerb, string>;

function addBroker(program: Command, io: Io): void {
  const broker = addServer(
    program,
    "broker",
    "run a broker of a cluster, until Ctrl-C; or ask about brokers, empty and remove them",
  )
    .addOption(transportOption())
    .action(async (options: ServerOptions & TransportChoice) => {
      const { runBroker } = await import("./commands/server.ts");
      await runBroker(withTransport(io, options), options);
    });
  const byId = (line: string, description: string): Command =>
    add(broker, line, description).argument("<id>", "id of the broker", parseWhole(1, 2 ** 31 - 1));
  add(broker, "list", "show brokers and what they hold").action(async (_options: object, command: Command) => {
    const { brokerList } = await import("./commands/broker.ts");
    await brokerList(io, command.optsWithGlobals<GlobalOptions>());
  });
  for (const [verb, description] of Object.entries(brokerVerbs) as [BrokerVerb, string][])
    byId(verb, description).action(async (id: number, _options: object, command: Command) => {
      const { brokerVerb } = await import("./commands/broker.ts");
      await brokerVerb(io, verb, id, command.optsWithGlobals<GlobalOptions>());
    });
  byId("drain", "have a broker emptied: its leaders and replicas move to others")
    .option("--wait", "end only when it holds nothing")
    .action(async (id: number, _options: object, command: Command) => {
      const { brokerDrain } = await import("./commands/broker.ts");
      await brokerDrain(io, id, command.optsWithGlobals<GlobalOptions & { readonly wait?: boolean }>());
    });
  byId("restart-safety", "say which shards would lose their majority if the broker stopped now").action(
    async (id: number, _options: object, command: Command) => {
      const { brokerRestartSafety } = await import("./commands/broker.ts");
      await brokerRestartSafety(io, id, command.optsWithGlobals<GlobalOptions>());
    },
  );
}

function addShard(program: Command, io: Io): void {
  const shard = add(program, "shard", "look at shards, move their leaders, recover them");
  const byNumber = (line: string, description: string): Command =>
    add(shard, line, description).argument("<shard>", "number of the shard", parseWhole(0, 65_535));
  add(shard, "list", "show leaders, members, moves and lag").action(async (_options: object, command: Command) => {
    const { shardList } = await import("./commands/shard.ts");
    await shardList(io, command.optsWithGlobals<GlobalOptions>());
  });
  byNumber("transfer", "ask a shard's leader to hand over")
    .requiredOption("--to <broker>", "one of its voters", parseWhole(1, 2 ** 31 - 1))
    .action(async (number: number, _options: object, command: Command) => {
      const { shardTransfer } = await import("./commands/shard.ts");
      await shardTransfer(io, number, command.optsWithGlobals<GlobalOptions & { readonly to: number }>());
    });
  byNumber("recover", "let the best replica that lives go on alone, after a majority is lost for good")
    .option("--unsafe", "acknowledged messages may be lost: do it all the same")
    .action(async (number: number, _options: object, command: Command) => {
      const { shardRecover } = await import("./commands/shard.ts");
      await shardRecover(io, number, command.optsWithGlobals<GlobalOptions & { readonly unsafe?: boolean }>());
    });
}

function addLog(program: Command, io: Io): void {
  const log = add(program, "log", "look at data folders");
  add(log, "inspect <folder>", "print what a data folder holds; nothing is changed, and no server is asked")
    .option("--verify", "check bodies, summaries and the contents of checkpoints too")
    .option("--frames", "show every frame of the log")
    .action(async (folder: string, _options: object, command: Command) => {
      const { logInspect } = await import("./commands/log.ts");
      await logInspect(io, folder, command.optsWithGlobals<InspectOptions>());
    });
}
