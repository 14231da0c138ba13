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
/** So long between two looks at the clock, and it was held up here: a stopped process, a machine that slept, a disk that hangs. */
const stillMs = 1_000;

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
  const { metadata, presence, timers, fatal } = options;
  const now = wakefulClock(options);
  let cancel: Cancel | undefined;
  const again = (): void => {
    if (!signal.aborted) cancel = timers.after(roundEveryMs, () => void round().then(again, fatal));
  };
  const round = async (): Promise<void> => {
    now();
    if (metadata.serving) await controlRound(options, now);
  };
  metadata.watchRole((leads) => {
    if (leads) presence.begin(metadata.state, now());
  }, signal);
  if (metadata.serving) presence.begin(metadata.state, now());
  signal.addEventListener("abort", () => cancel?.(), { once: true });
  again();
}

/** The time; whoever reads it after a long while has stood still, or waited for the disk, and so have the heartbeats of everyone. */
function wakefulClock({ metadata, presence, clock }: ControllerOptions): () => number {
  let lastMs = clock.monoMs();
  return () => {
    const nowMs = clock.monoMs();
    if (nowMs - lastMs > stillMs) presence.stoodStill(metadata.state, nowMs);
    lastMs = nowMs;
    return nowMs;
  };
}

/** One round; a leadership that ends in its middle ends it quietly. What is due is looked at anew where it is decided: time has passed. */
async function controlRound({ metadata, presence, logger }: ControllerOptions, now: () => number): Promise<void> {
  const decideIf = async (due: boolean, decision: Decide<undefined>): Promise<void> => {
    if (due) await metadata.propose(decision);
  };
  try {
    presence.follow(metadata.state, now());
    const expired = presence.expired(metadata.state, now());
    for (const [broker, incarnation] of expired) logger.warn({ broker, incarnation }, "a broker's lease ended");
    await decideIf(expired.size > 0, (state) => decideDown(state, presence.expired(state, now())));
    await decideIf(presence.overdueAway(now()).length > 0, (state) =>
      decideWelcome(state, presence.overdueAway(now())),
    );
    presence.follow(metadata.state, now());
    const wanted = planTargets(presence.world(metadata.state, now()));
    await decideIf(wanted.length > 0, (state) => decideTargets(state, presence, now()));
    const transfers = planTransfers(presence.world(metadata.state, now()));
    presence.ask(transfers, now());
    for (const { shard, from, to } of transfers) logger.info({ shard, from, to }, "a leader is asked to hand over");
  } catch (error) {
    if (!(error instanceof SaturnError) || error.code !== "HA_NOT_AVAILABLE") throw error;
  }
}

function decideTargets(state: MetadataState, presence: Presence, nowMs: number): Decision<undefined> {
  const targets = planTargets(presence.world(state, nowMs));
  return { records: targets.length === 0 ? [] : [{ kind: "targetsSet", targets }], reply: undefined };
}
