import { type Cancel, type Logger, type Timers } from "@saturnmq/kit";
import { type Group, nextChange, RaftError, type Readiness } from "raft-ts";
import type { GroupTarget } from "./domain/name-servers.ts";

const everyMs = 250;
/** A member so few entries behind is as good as there: the rest is on its way. */
const lagMax = 256;

export type GroupWalkOptions = {
  readonly group: Group;
  readonly self: number;
  /** Whom Raft's configuration is to hold; `undefined`: whom it holds. */
  readonly target: () => GroupTarget | undefined;
  /** The group may have let a member go, or heard of one. */
  readonly looked: () => void;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Called once with what broke; the process must end. */
  readonly fatal: (error: unknown) => void;
};

/**
 * While this member leads: walks Raft's configuration to the target, one safe change at a time. A newcomer votes only once it has what the group has; a
 * leader that is to go hands over first. What a leader leaves undone its successor goes on with.
 *
 * @param signal ends it
 */
export function runGroupWalk(options: GroupWalkOptions, signal: AbortSignal): void {
  const { timers, fatal, looked } = options;
  let cancel: Cancel | undefined;
  const again = (): void => {
    if (!signal.aborted) cancel = timers.after(everyMs, () => void round().then(again, fatal));
  };
  const round = async (): Promise<void> => {
    looked();
    await stepOf(options);
  };
  signal.addEventListener("abort", () => cancel?.(), { once: true });
  again();
}

async function stepOf({ group, self, target, logger }: GroupWalkOptions): Promise<void> {
  const wanted = target();
  if (wanted === undefined || !group.serving) return;
  const { configuration } = group.configuration;
  const step = nextChange(configuration, wanted, (member) => readinessOf(group, self, member), self);
  try {
    if (step.kind === "handOver") {
      logger.info({ to: step.to }, "this name server is to leave the group, and hands over first");
      await group.transfer(step.to);
    } else if (step.kind === "change") {
      logger.info({ ...wanted, change: step.change }, "changing the members of the name server group");
      await group.changeConfiguration(step.change);
    }
  } catch (err) {
    // Another leader, or this one at the next look, goes on from wherever it came to.
    if (!(err instanceof RaftError)) throw err;
    logger.info({ err, step: step.kind }, "a step of the name server group did not come about");
  }
}

function readinessOf(group: Group, self: number, member: number): Readiness {
  if (member === self) return "ready";
  const follower = group.followers.find(({ replica }) => replica === member);
  if (follower === undefined || follower.healing || follower.mode !== "replicate") return "behind";
  return group.commitIndex - follower.matchIndex <= lagMax ? "ready" : "behind";
}

/** Raft's configuration holds just these, and everybody agrees: it is committed. */
export function isAt(group: Group, { voters, learners, revision }: GroupTarget): boolean {
  const { index, configuration } = group.configuration;
  const same = (some: readonly number[], others: readonly number[]): boolean =>
    some.length === others.length && some.every((id) => others.includes(id));
  return (
    index <= group.commitIndex &&
    configuration.outgoing.length === 0 &&
    configuration.revision >= revision &&
    same(configuration.incoming, voters) &&
    same(configuration.learners, learners)
  );
}
