import { type Cancel, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import { emptyReport, type MetadataService } from "@saturnmq/wire";

/** A third of the lease that the name server grants (design 9). */
const heartbeatEveryMs = 1_000;

export type MembershipOptions = {
  readonly metadata: MetadataService;
  readonly store: LogStore;
  readonly timers: Timers;
  readonly log: Logger;
  /** Called when the name server refuses this broker: it must end. */
  readonly fatal: (error: unknown) => void;
};

/**
 * Keeps telling the name server that this broker lives, until `signal` aborts. Resolves after the first sign of life, or when there was no
 * name server to hear it.
 */
export async function keepMembership(options: MembershipOptions, signal: AbortSignal): Promise<void> {
  let heard = true;
  const beat = async (): Promise<void> => {
    const { replicaId, incarnation } = options.store.identity;
    try {
      await options.metadata.heartbeat(replicaId, incarnation, emptyReport);
      if (!heard) options.log.info({}, "the name server hears this broker again");
      heard = true;
    } catch (error) {
      if (!(error instanceof SaturnError) || error.code !== "HA_NOT_AVAILABLE") throw error;
      if (heard) options.log.warn({ err: error }, "no name server hears this broker");
      heard = false;
    }
  };
  let cancel: Cancel | undefined;
  const later = (): void => {
    if (signal.aborted) return;
    cancel = options.timers.after(heartbeatEveryMs, () => {
      beat().then(later, options.fatal);
    });
  };
  await beat();
  later();
  signal.addEventListener("abort", () => {
    cancel?.();
  });
}
