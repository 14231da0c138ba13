import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ProcessCluster, type ProcessClusterOptions } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import { Ballast } from "../support/disk/small-disk.ts";
import { Network } from "../support/network/network.ts";
import { bridge, isolate, lossy, type NetworkFault, oneWay, symmetric } from "../support/network/network-faults.ts";
import {
  type FaultOptions,
  type FaultResult,
  killInMidSend,
  runScenario,
  undisturbed,
  type World,
} from "../support/scenario.ts";

// Runs inside a namespace: three name servers and three brokers, each a process on an address of its own, clients on another one.

const size = { brokers: 3, nameServers: 3, zones: ["a", "b", "c"], shards: 6, network: 7 };
const clients = { name: "client", host: "127.0.0.1" };
const brokers = ["broker-1", "broker-2", "broker-3"];
const nameServers = ["nameserver-1", "nameserver-2", "nameserver-3"];
const topic = "chaos";
const queues = 6;
/** Of the broker whose disk is filled up: in memory, so that no root is needed. */
const diskMib = 160;
/** On a machine that runs other suites leaders take their time to move. */
const settledWithinMs = 180_000;
/** Load before a fault and after it, milliseconds. */
const calmMs = 1_000;

/** Each broker in its turn is killed while sends are in flight, and started again when its shards are led elsewhere. */
export function brokersKilled(options: FaultOptions): Promise<FaultResult> {
  return withCluster("brokers killed", options, (_, world) =>
    again(options, world, async (time) => {
      const name = inTurn(brokers, time);
      await killInMidSend(world, name);
      await sleep(options.lastsMs);
      await world.outages.restart(name);
    }),
  );
}

/** Longer than a leader's lease: it must not answer from what it knew when it wakes up. */
export function brokersSuspended(options: FaultOptions): Promise<FaultResult> {
  return withCluster("brokers suspended", options, (_, world) =>
    again(options, world, async (time) => {
      await world.outages.suspend(inTurn(brokers, time), options.lastsMs);
    }),
  );
}

/** Every name server in its turn, the leading one among them: messages flow as if nothing happened. */
export function nameServersKilled(options: FaultOptions): Promise<FaultResult> {
  return withCluster("name servers killed", options, (_, world) =>
    again(options, world, async (time) => {
      const name = inTurn(nameServers, time);
      await world.outages.kill(name);
      await sleep(options.lastsMs);
      await world.outages.restart(name);
    }),
  );
}

/** A broker that the others do not hear, and that does not hear them; clients reach them all. */
export const brokersCutOff = cuts("brokers cut off", (time) => {
  const one = inTurn(brokers, time);
  return symmetric([one], without(brokers, one));
});

/** A broker that the others do not hear, though it hears them. */
export const brokersMuted = cuts("brokers muted", (time) => {
  const one = inTurn(brokers, time);
  return oneWay([one], without(brokers, one));
});

/** A broker that nobody hears, its clients and the name servers neither. */
export const brokersIsolated = cuts("brokers isolated", (time) =>
  isolate(inTurn(brokers, time), [...brokers, ...nameServers, clients.name]),
);

/** Two brokers that only the third hears both of: whichever of the two leads, the other one must not take it from it again and again. */
export const brokersBridged = cuts("brokers bridged", (time) => {
  const middle = inTurn(brokers, time);
  const [one, other] = without(brokers, middle) as [string, string];
  return bridge([one], middle, [other]);
});

/** No broker hears another: nothing can be acknowledged, and nothing must be. */
export const majorityLost = cuts("majority lost", () => symmetric(brokers, brokers));

/** Every link loses a part of its packets. */
export const packetsLost = cuts("packets lost", () => {
  const all = [...brokers, ...nameServers];
  return lossy(all, all, 5);
});

/** Brokers without any name server go on as they are. */
export const nameServersCutOff = cuts("name servers cut off", () => symmetric(brokers, nameServers));

/** No name server hears another: none leads, and messages flow all the same. */
export const nameServersApart = cuts("name servers apart", () => symmetric(nameServers, nameServers));

/** The disk of one broker has no room left, as when something else on the machine took it: others go on, and so does it, once there is room. */
export function diskFull(options: FaultOptions): Promise<FaultResult> {
  const wrapperOf = (name: string, folder: string): readonly [] | readonly [string, ...string[]] =>
    name === brokers[0]
      ? ["unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=${diskMib}m tmpfs "${folder}" && exec "$@"`, "sh"]
      : [];
  return withCluster(
    "disk full",
    options,
    async (cluster, world) => {
      const { folder, member } = defined(cluster.brokers[0], "broker");
      const ballast = new Ballast(join(`/proc/${member.pid}/root`, folder));
      await again(options, world, async () => {
        const ended = world.disturbances.begin("disk of broker-1 full");
        await ballast.leave(0);
        await sleep(options.lastsMs);
        await ballast.release();
        ended();
      });
    },
    { wrapperOf, largestBodyBytes: 65_536 },
  );
}

/** A fault of the network, again and again. */
function cuts(name: string, faultAt: (time: number) => NetworkFault) {
  return (options: FaultOptions): Promise<FaultResult> =>
    withCluster(name, options, async (cluster, world) => {
      let taken = 0;
      const network = await Network.open([...cluster.nameServers, ...cluster.brokers, clients]);
      await again(options, world, async (time) => {
        await network.cut(faultAt(time));
        const healed = world.disturbances.begin(name);
        await sleep(options.lastsMs);
        taken += await network.taken();
        healed();
        await network.heal();
      });
      return taken;
    });
}

async function again({ times }: FaultOptions, world: World, disturb: (time: number) => Promise<void>): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    await undisturbed(world, calmMs);
    await disturb(time);
  }
  await undisturbed(world, calmMs);
}

function inTurn(names: readonly string[], time: number): string {
  return defined(names[time % names.length], "member");
}

function without(names: readonly string[], one: string): string[] {
  return names.filter((name) => name !== one);
}

type More = Pick<ProcessClusterOptions, "wrapperOf"> & { readonly largestBodyBytes?: number };

/** `disturb` may give the number of packets that it took. */
async function withCluster(
  name: string,
  { seed, repeat }: { readonly seed: number; readonly repeat: string },
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most disturbances take no packets
  disturb: (cluster: ProcessCluster, world: World) => Promise<number | void>,
  { largestBodyBytes = 2_048, ...more }: More = {},
): Promise<FaultResult> {
  await using cluster = await ProcessCluster.start({ ...size, ...more });
  await cluster.tools.cli("topic", "create", topic, "--queues", String(queues));
  let taken = 0;
  const { report, acknowledged } = await runScenario(
    {
      ...{
        name,
        repeat,
        seed,
        topic,
        settled: () => cluster.tools.untilEven(settledWithinMs),
        members: () => cluster.members,
        endpoints: cluster.addresses,
      },
      ...{ producers: 12, consumers: 6, invisibleMs: 10_000, forgetPercent: 2, oneAtATime: true, largestBodyBytes },
    },
    async (world) => {
      taken = (await disturb(cluster, world)) ?? 0;
    },
  );
  await cluster.stop();
  return { report, acknowledged, taken };
}
