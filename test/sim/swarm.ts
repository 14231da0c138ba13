import type { SeededRandom } from "@saturnmq/kit";
import { type DiskSpeed, fastDisk } from "./world/process-disk.ts";

/** What can go wrong (reliability.md part 4, the column "Sim"). */
export type Fault =
  /** SIGKILL of a process; the power of a machine; of all machines at once. */
  | "kill"
  | "powerCut"
  | "powerCutAll"
  /** The power of about half of all machines, at the very moment at which a client hears that its message is stored. */
  | "powerCutAtAck"
  /** The leader of a shard is killed. */
  | "killLeader"
  /** A process stands still, up to several election timeouts. */
  | "suspend"
  /** One machine is restarted again and again. */
  | "restartStorm"
  | "cutOneWay"
  | "isolate"
  | "split"
  | "cutZone"
  | "cutNameServers"
  | "cutClients"
  | "reset"
  | "slowNetwork"
  | "slowDisk"
  | "wallJump"
  /** A write fails: the process must end. */
  | "badWrite"
  /** A disk has no room for a while. */
  | "fullDisk"
  /** A bit of what a broker has written turns over: whatever it says until its disk is replaced must be right. */
  | "bitFlip"
  /** SIGTERM and a new start. */
  | "stop"
  /** A broker loses its disk and comes back as a new one. */
  | "wipe"
  /** A spare broker joins, or one is drained, forgotten and leaves. */
  | "grow"
  | "shrink"
  | "heal";

/** What one run is like. Not every fault is on in every run: some states are reached only where others are absent. */
export type Swarm = {
  readonly nameServers: number;
  readonly brokers: number;
  /** Brokers that join later, if at all. */
  readonly spares: number;
  readonly zones: number;
  readonly shards: number;
  readonly replicationFactor: number;
  readonly clients: number;
  readonly producers: number;
  readonly consumers: number;
  /** Queues of the topic without order, and of the ordered one. */
  readonly queues: number;
  readonly fifoQueues: number;
  /** Pause of a producer between two sends, up to so many milliseconds. */
  readonly thinkMs: number;
  readonly safetyMs: number;
  readonly faultEveryMs: number;
  readonly faults: readonly Fault[];
  /** How far a clock's rate may be from true. */
  readonly drift: number;
  /** Of a disk that is well. */
  readonly disk: DiskSpeed;
  readonly replacementGraceMs: number;
  readonly checkpointsOften: boolean;
  /** 0: nothing expires. */
  readonly logBytesMax: number;
  /** A control: brokers and name servers do not sync their logs. */
  readonly syncOff: boolean;
};

const common: readonly Fault[] = [
  ...(["kill", "kill", "powerCut", "powerCutAll", "killLeader", "suspend", "suspend", "restartStorm"] as const),
  ...(["cutOneWay", "isolate", "split", "cutZone", "cutNameServers", "cutClients", "reset", "slowNetwork"] as const),
  ...(["slowDisk", "wallJump", "badWrite", "stop", "fullDisk", "powerCutAtAck", "powerCutAtAck"] as const),
];
const moving: readonly Fault[] = ["wipe", "bitFlip", "grow", "shrink", "grow", "shrink"];

export function drawSwarm(random: SeededRandom): Swarm {
  const single = random.below(12) === 0;
  const brokers = single ? 1 : 3 + random.below(2);
  const chosen = common.filter(() => random.below(5) < 2);
  const moves = !single && random.below(2) === 0 ? moving : [];
  return {
    nameServers: [1, 3, 3, 3, 5][random.below(5)] ?? 3,
    brokers,
    spares: single ? 0 : 1,
    zones: single ? 1 : 3,
    shards: single ? 2 : 2 + random.below(3),
    replicationFactor: single ? 1 : 3,
    clients: 2,
    producers: 2 + random.below(3),
    consumers: 2 + random.below(2),
    queues: 2 + random.below(4),
    fifoQueues: 1 + random.below(3),
    // A quiet cluster finds faults of elections that load hides, and the other way round.
    thinkMs: [150, 400, 400, 1_000, 2_000][random.below(5)] ?? 400,
    safetyMs: 30_000,
    faultEveryMs: 400 + random.below(3_000),
    // Cuts add up until they are healed.
    faults: ["heal", ...chosen, ...(chosen.length > 4 ? (["heal"] as const) : []), ...moves],
    drift: random.below(2) === 0 ? 0 : 0.002,
    replacementGraceMs: 3_000 + random.below(6_000),
    checkpointsOften: random.below(2) === 0,
    // Some faults show only where writes are under way for long: a power cut then finds them.
    disk: random.below(2) === 0 ? fastDisk : { accessMs: 0.2, syncMs: 4 + random.below(40) },
    // Some of the messages of these runs expire, and log starts move: a minute's work is more than a few of their segments.
    logBytesMax: random.below(3) === 0 ? 2 ** 17 * (2 + random.below(3)) : 0,
    syncOff: false,
  };
}
