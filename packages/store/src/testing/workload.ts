import { SeededRandom } from "@saturnmq/kit";
import type { ManualTime } from "@saturnmq/kit/testing";
import type { GroupId } from "raft-ts";
import type { LogStore } from "../ports.ts";
import { RecordBatch } from "../record-batch.ts";
import { addMessage, applyEntry, type TestMessage } from "./messages.ts";
import { Model } from "./model.ts";

const groupCount = 3;

/** Random work on a store, told to a model: everything that the Raft driver and the broker do to it. One seed, one story. */
export class Workload {
  readonly #random: SeededRandom;
  readonly #batch = new RecordBatch();
  /** What the store has acknowledged, and what it would hold if the commit under way survives. */
  acknowledged = new Model();
  staged = new Model();
  /** Index and content of each group's last acknowledged checkpoint. */
  readonly checkpoints = new Map<GroupId, number>();
  readonly #applied = new Map<GroupId, number>();

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** Takes the model that matches what the store recovered; everything in it counts as applied. */
  resume(model: Model): void {
    this.acknowledged = model;
    this.staged = model.copy();
    for (const [id, { entries }] of model.groups) this.#applied.set(id, entries.length);
  }

  /** One random step. Rejects when the disk fails. */
  async step(store: LogStore, time: Pick<ManualTime, "advance">): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 8) await this.#checkpoint(store);
    else if (dice < 16) time.advance(this.#random.below(2) === 0 ? 60 : 1100);
    else await this.#commit(store);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #commit(store: LogStore): Promise<void> {
    const count = 1 + this.#random.below(4);
    for (let row = 0; row < count; row += 1) this.#stageOne(store, this.#random.below(groupCount));
    await store.commit();
    this.acknowledged = this.staged.copy();
    for (let id = 0; id < groupCount; id += 1) await this.#apply(store, id);
  }

  #stageOne(store: LogStore, id: GroupId): void {
    const group = this.staged.group(id);
    const applied = this.#applied.get(id) ?? 0;
    const dice = this.#random.below(20);
    if (dice === 0) {
      group.hardTerm += 1;
      group.vote = 1 + this.#random.below(5);
      store.saveHardState(id, { term: group.hardTerm, vote: group.vote });
    } else if (dice === 1) {
      const index = Math.min(applied, this.checkpoints.get(id) ?? 0);
      if (index < group.logStart) return;
      group.logStart = index;
      store.setLogStart(id, index);
    } else {
      const replaces = dice < 5 && group.entries.length > applied;
      const index = replaces
        ? applied + 1 + this.#random.below(group.entries.length - applied)
        : group.entries.length + 1;
      this.#append(store, id, index, replaces);
    }
  }

  #append(store: LogStore, id: GroupId, index: number, newTerm: boolean): void {
    const group = this.staged.group(id);
    const term = (group.entries.at(-1)?.term ?? 1) + (newTerm ? 1 : 0);
    const messages = this.#messages(group.entries.slice(0, index - 1).flatMap((entry) => entry.messages));
    this.#batch.reset();
    for (const message of messages) addMessage(this.#batch, message);
    if (this.#random.below(3) === 0) this.#batch.bytes.fill(9, this.#batch.add(2, 1, 16), this.#batch.length);
    if (this.#batch.length > store.roomBytes) return;
    group.entries.length = index - 1;
    store.append(id, index, term, this.#batch.length === 0 ? undefined : this.#batch.payload());
    group.entries.push({ term, messages });
  }

  #messages(before: readonly TestMessage[]): readonly TestMessage[] {
    const next = [0, 1].map((partition) => before.filter((message) => message.partition === partition).length);
    return Array.from({ length: this.#random.below(4) }, () => {
      const partition = this.#random.below(2);
      const offset = next[partition] ?? 0;
      next[partition] = offset + 1;
      const size = this.#random.below(20) === 0 ? 7000 : this.#random.below(700);
      return {
        stream: 1,
        partition,
        offset,
        body: `${partition}/${offset}/${this.#random.below(1e9)}:`.padEnd(size, "x"),
      };
    });
  }

  /** Applies all but, now and then, the last few entries: those may still be replaced. */
  async #apply(store: LogStore, id: GroupId): Promise<void> {
    const last = this.acknowledged.group(id).entries.length - (this.#random.below(3) === 0 ? this.#random.below(3) : 0);
    const applied = this.#applied.get(id) ?? 0;
    if (last <= applied) return;
    for (let index = applied + 1; index <= last; index += 1) applyEntry(store, id, await store.read(id, index));
    this.#applied.set(id, last);
    store.applied(id, last);
  }

  async #checkpoint(store: LogStore): Promise<void> {
    const id = this.#random.below(groupCount);
    const index = this.#applied.get(id) ?? 0;
    if (index === 0) return;
    await store.writeCheckpoint(id, index, 1, [Buffer.from(`group ${id} at ${index}`)]);
    this.checkpoints.set(id, index);
  }
}
