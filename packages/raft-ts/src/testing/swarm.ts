import type { SeededRandom } from "@saturnmq/kit";
import { fairWeather, type LinkWeather } from "./network.ts";

export type Fault =
  | "none"
  | "crash"
  | "powerCut"
  | "pause"
  | "cutOneWay"
  | "isolate"
  | "split"
  | "cutAndRestart"
  | "heal"
  | "slowDisk"
  | "checkpoint"
  | "transfer"
  | "place"
  | "loseDisk"
  | "damage";

/** What one run is like. Not every fault is on in every run: some states are reached only where others are absent. */
export type Swarm = {
  readonly nodes: number;
  /** Nodes that are no member at first. */
  readonly spares: number;
  readonly groups: number;
  readonly safetyMs: number;
  readonly proposeEveryMs: number;
  readonly faultEveryMs: number;
  readonly faults: readonly Fault[];
  readonly weather: LinkWeather;
  /** Members change, disks are lost, logs are damaged. */
  readonly changing: boolean;
};

/** How many nodes; sizes of either parity, three most of all. */
const sizes = [1, 2, 3, 3, 3, 4, 5] as const;
const kinds: readonly Fault[] = [
  "crash",
  "crash",
  "powerCut",
  "pause",
  "cutOneWay",
  "isolate",
  "split",
  "cutAndRestart",
  "slowDisk",
  "checkpoint",
  "checkpoint",
  "transfer",
];
const changes: readonly Fault[] = ["place", "place", "place", "loseDisk", "damage", "checkpoint"];

export function drawSwarm(random: SeededRandom): Swarm {
  const changing = random.below(2) === 0;
  const chosen = [...kinds, ...(changing ? changes : [])].filter(() => random.below(5) < 3);
  const rough = random.below(2) === 0;
  return {
    nodes: sizes[random.below(sizes.length)] ?? 3,
    spares: changing ? 1 + random.below(3) : 0,
    groups: 1 + random.below(changing ? 2 : 3),
    safetyMs: 3_000 + random.below(5_000),
    // A busy group hides faults of elections: whoever is cut off falls behind and could not win anyway.
    proposeEveryMs: random.below(3) === 0 ? 500 + random.below(2_500) : 5 + random.below(60),
    faultEveryMs: 300 + random.below(1_200),
    // Cuts add up until they are healed, so healing is as likely as all of them.
    faults: ["none", "heal", "heal", ...chosen],
    weather: rough ? roughWeather(random) : fairWeather,
    changing,
  };
}

function roughWeather(random: SeededRandom): LinkWeather {
  return {
    delayMinMs: 0.1,
    delayMaxMs: 1 + random.below(60),
    loss: (random.below(3) * random.fraction()) / 10,
    duplication: random.fraction() / 10,
    straggling: random.fraction() / 20,
    ordered: random.below(2) === 0,
  };
}
