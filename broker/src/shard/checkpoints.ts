import type { LogStore } from "@saturnmq/store";
import type { LogPoint } from "./shard-host.ts";
import type { ShardRuntime } from "./shard-runtime.ts";

/** Writes the shards' checkpoints, one at a time. */
export class Checkpoints {
  readonly #store: LogStore;
  readonly #shards: readonly ShardRuntime[];
  /** What was written last, by shard. */
  readonly #written = new Map<number, LogPoint>();

  constructor(store: LogStore, shards: readonly ShardRuntime[]) {
    this.#store = store;
    this.#shards = shards;
  }

  /** Notes the checkpoint that a shard was opened with. */
  opened(shard: number, at: LogPoint): void {
    this.#written.set(shard, at);
  }

  /** Forgets a shard that is not hosted any more. */
  closed(shard: number): void {
    this.#written.delete(shard);
  }

  /** Writes those that the store asks for. */
  async takeDue(): Promise<void> {
    const due = new Set(this.#store.checkpointsDue());
    for (const runtime of this.#shards) if (due.has(runtime.shard)) await this.take(runtime);
  }

  /** Writes one of every shard that applied anything since its last. */
  async takeAll(): Promise<void> {
    for (const runtime of this.#shards) {
      if (runtime.appliedTo.index > (this.#written.get(runtime.shard)?.index ?? 0)) await this.take(runtime);
    }
  }

  /** Writes one of a shard, as it is now. */
  async take(runtime: ShardRuntime): Promise<void> {
    if (runtime.appliedTo.index === 0) return;
    const { at, parts } = runtime.checkpoint();
    await this.#store.writeCheckpoint(runtime.shard, at.index, at.term, parts);
    this.#written.set(runtime.shard, at);
  }
}
