import { assert, defined, SeededRandom } from "@saturnmq/kit";

export type PlannedFault = {
  /** From the start of the run, milliseconds. */
  readonly atMs: number;
  readonly member: string;
  /** `kill`: SIGKILL, and started again. `suspend`: SIGSTOP, and SIGCONT. */
  readonly kind: "kill" | "suspend";
  /** How long it is down or suspended, milliseconds. */
  readonly lastsMs: number;
};

export type FaultPlan = {
  readonly seed: number;
  /** Whom a fault may hit. */
  readonly members: readonly string[];
  readonly kinds: readonly PlannedFault["kind"][];
  readonly everyMs: number;
  readonly lastsMs: number;
  /** Length of the run: the last fault is over by then. */
  readonly runMs: number;
};

/** A random member every `everyMs`, one after the other: "killed every 20 s and restarted after 5 s". The seed decides whom and how. */
export function planFaults({ seed, members, kinds, everyMs, lastsMs, runMs }: FaultPlan): readonly PlannedFault[] {
  assert(members.length > 0 && kinds.length > 0, "a plan needs members and kinds of faults");
  assert(lastsMs > 0 && lastsMs < everyMs, "a fault is over before the next one begins");
  const random = new SeededRandom(seed);
  const count = Math.max(0, Math.floor((runMs - lastsMs) / everyMs));
  return Array.from({ length: count }, (_, nth) => ({
    atMs: (nth + 1) * everyMs,
    member: defined(members[random.below(members.length)], "member"),
    kind: defined(kinds[random.below(kinds.length)], "kind"),
    lastsMs,
  }));
}
