import type { Logger } from "@saturnmq/kit";
import type { GroupId, ReplicaId } from "../ports.ts";

/** More different complaints than this say nothing new. */
const suspicionsMax = 1_000;

/** Messages of a group that no correct replica sends: one line for each sender and reason, so that a mad peer cannot fill the disk with lines. */
export class Suspicions {
  readonly #group: GroupId;
  readonly #logger: Logger;
  readonly #known = new Set<string>();

  constructor(group: GroupId, logger: Logger) {
    this.#group = group;
    this.#logger = logger;
  }

  note(from: ReplicaId, reason: string): void {
    const key = `${String(from)} ${reason}`;
    if (this.#known.has(key) || this.#known.size >= suspicionsMax) return;
    this.#known.add(key);
    this.#logger.warn({ group: this.#group, from, reason }, "refused a message that makes no sense");
  }
}
