import type { Clock } from "@saturnmq/kit";
import { type Filter, filterKey } from "../domain/filter.ts";
import { decideFilterRemove, filterKeptMs } from "../domain/filters.ts";
import type { Subscriber } from "../messaging.ts";
import type { ReadableShard } from "./readable-shard.ts";

/** Clients of one filter that are remembered, the newest: any of them that is there keeps the filter. */
const clientsMax = 64;
/** Filters that are remembered; beyond it the one that was used longest ago is forgotten first. */
const usesMax = 100_000;

type Use = { atMonoMs: number; readonly clients: Set<string> };

export type FilterUsesOptions = {
  readonly clock: Clock;
  readonly shards: ReadonlyMap<number, ReadableShard>;
  /** Whether a client is connected to this process. */
  readonly isPresent: (clientId: string) => boolean;
  /** A group may have something to look at on a topic. */
  readonly ready: (topic: number, group: number) => void;
};

/** When the filters of groups were last used here, and their removal when that was long ago. Soft state: it begins anew with the process. */
export class FilterUses {
  readonly #options: FilterUsesOptions;
  readonly #uses = new Map<string, Use>();

  constructor(options: FilterUsesOptions) {
    this.#options = options;
  }

  note({ group, topic, filter, clientId }: Subscriber): void {
    const key = keyOf(group.id, topic.id, filter);
    const use = this.#uses.get(key) ?? { atMonoMs: 0, clients: new Set() };
    this.#uses.delete(key);
    this.#uses.set(key, use);
    const [longestAgo] = this.#uses.keys();
    if (this.#uses.size > usesMax && longestAgo !== undefined) this.#uses.delete(longestAgo);
    use.atMonoMs = this.#options.clock.monoMs();
    use.clients.delete(clientId);
    use.clients.add(clientId);
    const [oldest] = use.clients;
    if (use.clients.size > clientsMax && oldest !== undefined) use.clients.delete(oldest);
  }

  /** Removes, in the shards that are led here, the filters that nobody has used for their time. */
  removeUnused(): void {
    const nowMs = this.#options.clock.monoMs();
    this.#refresh(nowMs);
    for (const { runtime } of this.#options.shards.values()) {
      const { led } = runtime;
      if (led === undefined) continue;
      const { overlay } = led;
      const shardNowMs = runtime.now();
      for (const recorded of [...overlay.decided.filters.all()]) {
        const use = this.#uses.get(keyOf(recorded.group, recorded.topic, recorded.filter));
        // An earlier leader's clients may be on their way here.
        const usedAtMs = Math.max(overlay.sinceMs, use === undefined ? 0 : shardNowMs - (nowMs - use.atMonoMs));
        const record = decideFilterRemove(overlay, recorded, usedAtMs, shardNowMs);
        if (record === undefined) continue;
        runtime.stage(led, record);
        this.#options.ready(recorded.topic, recorded.group);
      }
    }
  }

  /** A client that is there is a use; what was last used too long ago is forgotten. */
  #refresh(nowMs: number): void {
    for (const [key, use] of this.#uses) {
      if ([...use.clients].some((clientId) => this.#options.isPresent(clientId))) use.atMonoMs = nowMs;
      else if (nowMs - use.atMonoMs > 2 * filterKeptMs) this.#uses.delete(key);
    }
  }
}

function keyOf(group: number, topic: number, filter: Filter): string {
  return `${group}/${topic}/${filterKey(filter)}`;
}
