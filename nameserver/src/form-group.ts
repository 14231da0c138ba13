import { defined, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import { decideBootstrap, type MemberState, type OwnState } from "./domain/bootstrap.ts";

const againMs = 200;

export type FormGroupOptions = {
  readonly self: number;
  /** Ids of the other configured members. */
  readonly others: readonly number[];
  /** Asks one of them what it says of itself. */
  readonly ask: (member: number) => Promise<MemberState>;
  /** The member's log when its folder is not new. */
  readonly store: LogStore | undefined;
  /** Takes the new folder for a cluster. */
  readonly prepare: (clusterId: string) => Promise<LogStore>;
  /** Takes the new folder for a place in a group that exists; `undefined` while nobody can grant one. @throws {SaturnError} when there is none */
  readonly join: () => Promise<LogStore | undefined>;
  readonly newClusterId: () => string;
  /** Told of this member's state before others are asked, and whenever it changed. */
  readonly became: (own: OwnState) => void;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  readonly timers: Timers;
  readonly logger: Logger;
};

/**
 * Waits until the group may be opened (`decideBootstrap`); answers this member's log, which is then the cluster's.
 *
 * @throws {SaturnError} `FORBIDDEN` when folders of several clusters meet, or this member's data is lost; `HA_NOT_AVAILABLE` once `signal`
 *   aborts
 */
export async function formGroup(options: FormGroupOptions): Promise<LogStore> {
  const held = { store: options.store };
  try {
    return await formed(options, held);
  } catch (error) {
    await held.store?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** @param held the member's log as soon as it has one */
async function formed(options: FormGroupOptions, held: { store: LogStore | undefined }): Promise<LogStore> {
  const { self, others, ask, prepare, join, newClusterId, became, signal, timers, logger } = options;
  let told = "";
  const wait = async (reason: string): Promise<void> => {
    if (told !== reason) logger.info({ reason }, "the name server group is not formed yet");
    told = reason;
    await new Promise<void>((resolve) => timers.after(againMs, resolve));
  };
  for (;;) {
    if (signal.aborted) throw new SaturnError("HA_NOT_AVAILABLE", `stopped before the group was formed: ${told}`);
    const own = ownState(held.store);
    became(own);
    const states = await Promise.all(others.map(async (id) => [id, await ask(id)] as const));
    const decision = decideBootstrap(self, own, new Map(states));
    switch (decision.kind) {
      case "open":
        return defined(held.store, "the log of a member that opens its group");
      case "found":
        held.store = await prepare(newClusterId());
        break;
      case "adopt":
        held.store = await prepare(decision.clusterId);
        break;
      case "refuse":
        throw new SaturnError("FORBIDDEN", decision.reason);
      case "join":
        held.store = await join();
        if (held.store === undefined) await wait(`no name server leads that could grant member ${self} its place`);
        break;
      case "wait":
        await wait(decision.reason);
    }
  }
}

/** A log that holds anything, if only a vote, has been in the group. */
export function ownState(store: LogStore | undefined): OwnState {
  if (store === undefined) return { kind: "empty" };
  const { clusterId } = store.identity;
  const formed = store.view(0).lastIndex > 0 || store.hardState(0).term > 0;
  return { kind: formed ? "formed" : "prepared", clusterId };
}
