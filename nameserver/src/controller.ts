import { type Cancel, type Clock, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import { decideWelcome } from "./domain/broker-verbs.ts";
import { decideDown } from "./domain/brokers.ts";
import { planTransfers } from "./domain/plan/leaders.ts";
import { planTargets } from "./domain/plan/replicas.ts";
import type { Presence } from "./domain/presence.ts";
import type { Decision } from "./domain/records.ts";
import type { MetadataState } from "./domain/state.ts";
import type { Decide, ReplicatedMetadata } from "./replicated-metadata.ts";

const roundEveryMs = 250;

export type ControllerOptions = {
  readonly metadata: ReplicatedMetadata;
  readonly presence: Presence;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Called once with what broke; the process must end. */
  readonly fatal: (error: unknown) => void;
};

/**
 * While this name server leads: ends leases, sets targets, asks for hand-overs. Each round looks at the state as it is then, so a round that
 * was lost with a leader costs nothing.
 *
 * @param signal ends it
 */
export function runController(options: ControllerOptions, signal: AbortSignal): void {
  const { metadata, presence, clock, timers, fatal } = options;
  let cancel: Cancel | undefined;
  const again = (): void => {
    if (!signal.aborted) cancel = timers.after(roundEveryMs, () => void round().then(again, fatal));
  };
  const round = async (): Promise<void> => {
    if (metadata.serving) await controlRound(options);
  };
  metadata.watchRole((leads) => {
    if (leads) presence.begin(metadata.state, clock.monoMs());
  }, signal);
  if (metadata.serving) presence.begin(metadata.state, clock.monoMs());
  signal.addEventListener("abort", () => cancel?.(), { once: true });
  again();
}

/** One round; a leadership that ends in its middle ends it quietly. */
async function controlRound({ metadata, presence, clock, logger }: ControllerOptions): Promise<void> {
  const nowMs = clock.monoMs();
  const decide = async (due: boolean, decision: Decide<undefined>): Promise<void> => {
    if (due) await metadata.propose(decision);
  };
  try {
    presence.follow(metadata.state, nowMs);
    const expired = presence.expired(metadata.state, nowMs);
    for (const [broker, incarnation] of expired) logger.warn({ broker, incarnation }, "a broker's lease ended");
    await decide(expired.size > 0, (state) => decideDown(state, expired));
    const overdue = presence.overdueAway(nowMs);
    await decide(overdue.length > 0, (state) => decideWelcome(state, overdue));
    presence.follow(metadata.state, nowMs);
    const wanted = planTargets(presence.world(metadata.state, nowMs)).length > 0;
    // Planned anew where it is decided: the state may have moved on in between.
    await decide(wanted, (state) => decideTargets(state, presence, nowMs));
    const transfers = planTransfers(presence.world(metadata.state, nowMs));
    presence.ask(transfers, nowMs);
    for (const { shard, from, to } of transfers) logger.info({ shard, from, to }, "a leader is asked to hand over");
  } catch (error) {
    if (!(error instanceof SaturnError) || error.code !== "HA_NOT_AVAILABLE") throw error;
  }
}

function decideTargets(state: MetadataState, presence: Presence, nowMs: number): Decision<undefined> {
  const targets = planTargets(presence.world(state, nowMs));
  return { records: targets.length === 0 ? [] : [{ kind: "targetsSet", targets }], reply: undefined };
}
