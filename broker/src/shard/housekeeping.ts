import { type Cancel, SaturnError, type Timers } from "@saturnmq/kit";
import type { Checkpoints } from "./checkpoints.ts";
import type { FilterUses } from "./filter-uses.ts";
import type { Retention } from "./retention.ts";
import type { Sends } from "./sends.ts";

/** What need not be exact to the second is looked at less often: topics with a short retention, which may read from the disk, and filters. */
const roundsPerTrim = 10;

export type HousekeepingOptions = {
  readonly timers: Timers;
  readonly everyMs: number;
  readonly retention: Retention;
  readonly checkpoints: Checkpoints;
  readonly sends: Sends;
  readonly filters: FilterUses;
  readonly fatal: (error: unknown) => void;
};

/** What is done from time to time, one round after another: retention, checkpoints, a look at the disk's room. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #round: Promise<void> = Promise.resolve();
  #cancel: Cancel | undefined;
  #rounds = 0;
  #stopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = this.#options.timers.after(this.#options.everyMs, () => {
      this.#round = this.#run().then(
        () => {
          if (!this.#stopped) this.start();
        },
        (error: unknown) => {
          // A lost lead ends a round early; the next leader's goes on.
          if (!(error instanceof SaturnError)) this.#options.fatal(error);
          else if (!this.#stopped) this.start();
        },
      );
    });
  }

  /** Resolves when the round that runs has ended; none follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#round;
  }

  async #run(): Promise<void> {
    const { retention, checkpoints, sends, filters } = this.#options;
    this.#rounds += 1;
    sends.refresh();
    if (this.#rounds % roundsPerTrim === 0) {
      filters.removeUnused();
      await retention.trimShortTopics();
    }
    await retention.dropSegments();
    await checkpoints.takeDue();
  }
}
