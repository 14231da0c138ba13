import { defined, SeededRandom } from "@saturnmq/kit";
import type { ManualTime } from "@saturnmq/kit/testing";
import type { Configuration, GroupId } from "raft-ts";
import type { Backfill, LogStore } from "../ports.ts";
import { RecordBatch } from "../record-batch.ts";
import { addMessage, applyEntry, type TestMessage } from "./messages.ts";
import { Model, type ModelEntry } from "./model.ts";

const groupCount = 3;

/** Random work on a store, told to a model: everything that the Raft driver and the broker do to it. One seed, one story. */
export class Workload {
  readonly #random: SeededRandom;
  readonly #members: boolean;
  readonly #batch = new RecordBatch();
  /** What the store has acknowledged, and what it would hold if the commit under way survives. */
  acknowledged = new Model();
  staged = new Model();
  /** Index and content of each group's last acknowledged checkpoint. */
  readonly checkpoints = new Map<GroupId, number>();
  readonly #applied = new Map<GroupId, number>();
  #backfills = new Map<GroupId, Backfill>();
  readonly #everWritten = new Map<string, Set<string>>();
  readonly #everSent = new Map<GroupId, Set<string>>();

  /** @param members with changes of configuration, restarts of logs and filling in */
  constructor(seed: number, members = true) {
    this.#random = new SeededRandom(seed);
    this.#members = members;
  }

  /** Takes the model that matches what the store recovered; everything in it counts as applied. */
  resume(model: Model): void {
    this.acknowledged = model;
    this.staged = model.copy();
    this.#backfills = new Map();
    for (const [id, { entries }] of model.groups) this.#applied.set(id, entries.length);
  }

  /** Gives each group its first configuration. */
  async found(store: LogStore, configuration: Configuration): Promise<void> {
    for (let id = 0; id <= groupCount; id += 1) {
      const at = { index: 0, configuration };
      this.staged.group(id).configurations.push(at);
      store.saveConfiguration(id, at);
    }
    await this.#acknowledge(store);
  }

  /** Applies everything, fills in nothing more. */
  async quiet(store: LogStore): Promise<void> {
    for (const backfill of this.#backfills.values()) await backfill.finish();
    this.#backfills = new Map();
    // Behind what matters something is known to be durable.
    for (let round = 0; round < 2; round += 1) {
      store.saveHardState(groupCount, { term: round + 1, vote: 1 });
      await store.commit();
    }
    for (const model of [this.acknowledged, this.staged])
      Object.assign(model.group(groupCount), { hardTerm: 2, vote: 1 });
  }

  /** What entries of this index ever said, the overwritten ones included: term and message bodies as JSON. */
  everWritten(id: GroupId, index: number): readonly string[] {
    return [...(this.#everWritten.get(`${id}/${index}`) ?? [])];
  }

  /** Bodies of all messages that were ever part of an entry. */
  everSent(id: GroupId): readonly string[] {
    return [...(this.#everSent.get(id) ?? [])];
  }

  /** One random step. Rejects when the disk fails. */
  async step(store: LogStore, time: Pick<ManualTime, "advance">): Promise<void> {
    const dice = this.#random.below(100);
    const id = this.#random.below(groupCount);
    if (dice < 8) await this.#checkpoint(store, id);
    else if (dice < 16) time.advance(this.#random.below(2) === 0 ? 60 : 1100);
    else if (dice < 20 && this.#members) await this.#restart(store, id);
    else if (dice < 26 && this.#members) await this.#fillIn(store, id);
    else await this.#commit(store);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #commit(store: LogStore): Promise<void> {
    const count = 1 + this.#random.below(4);
    for (let row = 0; row < count; row += 1) this.#stageOne(store, this.#random.below(groupCount));
    await this.#acknowledge(store);
  }

  async #acknowledge(store: LogStore): Promise<void> {
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
    } else if (dice === 1) this.#moveLogStart(store, id, applied);
    else if (dice === 2 && this.#members && group.configurations.length === 0) {
      const at = { index: 0, configuration: this.#configuration() };
      group.configurations.push(at);
      store.saveConfiguration(id, at);
    } else {
      const replaces = dice < 5 && group.entries.length > applied;
      const index = replaces
        ? applied + 1 + this.#random.below(group.entries.length - applied)
        : group.entries.length + 1;
      if (this.#members && this.#random.below(8) === 0) this.#appendConfiguration(store, id, index, replaces);
      else this.#append(store, id, index, replaces);
    }
  }

  #moveLogStart(store: LogStore, id: GroupId, applied: number): void {
    const group = this.staged.group(id);
    const most = Math.min(applied, this.checkpoints.get(id) ?? 0);
    const index = most - (this.#random.below(3) === 0 ? this.#random.below(10) : 0);
    if (index <= group.floor) return;
    group.floor = index;
    group.first = Math.max(group.first, index);
    store.setLogStart(id, index);
  }

  #append(store: LogStore, id: GroupId, index: number, newTerm: boolean): void {
    const group = this.staged.group(id);
    const term = this.#termOf(id, newTerm);
    const messages = this.#messages(group.entries.slice(0, index - 1).flatMap((entry) => entry.messages));
    this.#batch.reset();
    for (const message of messages) addMessage(this.#batch, message);
    if (this.#random.below(3) === 0) this.#batch.bytes.fill(9, this.#batch.add(2, 1, 16), this.#batch.length);
    if (this.#batch.length > store.roomBytes) return;
    store.append(id, index, term, this.#batch.length === 0 ? undefined : this.#batch.payload());
    this.#push(id, index, { term, messages, configuration: undefined, held: "yes" });
  }

  #appendConfiguration(store: LogStore, id: GroupId, index: number, newTerm: boolean): void {
    const configuration = this.#configuration();
    const term = this.#termOf(id, newTerm);
    if (store.roomBytes < 1000) return;
    store.append(id, index, term, undefined, configuration);
    this.#push(id, index, { term, messages: [], configuration, held: "yes" });
    this.staged.group(id).configurations.push({ index, configuration });
  }

  #push(id: GroupId, index: number, entry: ModelEntry): void {
    const group = this.staged.group(id);
    group.entries.length = index - 1;
    group.entries.push(entry);
    this.#note(id, index, entry);
    group.configurations = group.configurations.filter((at) => at.index < index);
  }

  #note(id: GroupId, index: number, { term, messages }: ModelEntry): void {
    const bodies = messages.map(({ body }) => body);
    const key = `${id}/${index}`;
    this.#everWritten.set(
      key,
      (this.#everWritten.get(key) ?? new Set()).add(JSON.stringify({ term, written: bodies })),
    );
    const sent = this.#everSent.get(id) ?? new Set<string>();
    for (const body of bodies) sent.add(body);
    this.#everSent.set(id, sent);
  }

  #termOf(id: GroupId, newTerm: boolean): number {
    return (this.staged.group(id).entries.at(-1)?.term ?? 1) + (newTerm ? 1 : 0);
  }

  #configuration(): Configuration {
    const incoming = [1, 2, 3 + this.#random.below(3)];
    const outgoing = this.#random.below(2) === 0 ? [] : [1, 2, 6];
    const revision = this.#random.below(2 ** 31) * 2 ** 10;
    return { incoming, outgoing, learners: [], learnersNext: [], autoLeave: outgoing.length > 0, revision };
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

  async #checkpoint(store: LogStore, id: GroupId): Promise<void> {
    const index = this.#applied.get(id) ?? 0;
    if (index === 0) return;
    await store.writeCheckpoint(id, index, this.acknowledged.group(id).entries[index - 1]?.term ?? 0, [
      contentOf(id, index),
    ]);
    this.checkpoints.set(id, index);
  }

  /** Begins a group's log anew after another replica's checkpoint: within it, or beyond its end. */
  async #restart(store: LogStore, id: GroupId): Promise<void> {
    const group = this.staged.group(id);
    const applied = this.#applied.get(id) ?? 0;
    const within = this.#random.below(2) === 0 && group.entries.length > applied;
    const index = within
      ? applied + 1 + this.#random.below(group.entries.length - applied)
      : group.entries.length + 1 + this.#random.below(12);
    const term = within ? defined(group.entries[index - 1], "the entry").term : this.#termOf(id, true);
    // What is applied here is the beginning of what the other replica has.
    const known = group.configurations.findLast((at) => at.index <= (within ? index : applied));
    const later = applied + 1 + this.#random.below(index - applied);
    const configuration =
      known !== undefined && (within || this.#random.below(2) === 0)
        ? known
        : { index: within ? 0 : later, configuration: this.#configuration() };
    await store.writeCheckpoint(id, index, term, [contentOf(id, index)], configuration);
    if (this.#random.below(3) === 0) this.#append(store, id, group.entries.length + 1, false);
    store.restartAt(id, index, term, configuration);
    if (within) group.first = index + 1;
    else this.#replaceBehind(id, applied, index, term);
    const above = group.configurations.filter((at) => within && at.index > index);
    group.configurations = [configuration, ...above];
    this.#applied.set(id, index);
    if (this.#random.below(2) === 0) this.#append(store, id, group.entries.length + 1, false);
    await this.#acknowledge(store);
    this.checkpoints.set(id, index);
  }

  /** What the group's other replicas have up to `index`; here it is missing. */
  #replaceBehind(id: GroupId, applied: number, index: number, term: number): void {
    const group = this.staged.group(id);
    group.entries.length = applied;
    while (group.entries.length < index) {
      const messages = this.#messages(group.entries.flatMap((entry) => entry.messages));
      const entry = { term, messages, configuration: undefined, held: "no" } as const;
      group.entries.push(entry);
      this.#note(id, group.entries.length, entry);
    }
    group.first = index + 1;
  }

  /** Fills in a few of the entries that are missing in front of a group's log. */
  async #fillIn(store: LogStore, id: GroupId): Promise<void> {
    const { first, floor } = this.acknowledged.group(id);
    if (first === 1) return;
    const open = this.#backfills.get(id);
    const backfill = open ?? (await store.openBackfill(id, 1, first - 1));
    this.#backfills.set(id, backfill);
    for (let round = this.#random.below(3); round >= 0; round -= 1) {
      const [range] = backfill.missing();
      if (range === undefined || range.to < floor) break;
      const skipped = this.#random.below(3) === 0 ? this.#random.below(range.to - range.from + 1) : 0;
      await this.#add(
        backfill,
        id,
        range.from + skipped,
        Math.min(range.to, range.from + skipped + this.#random.below(4)),
      );
    }
    if (this.#random.below(3) > 0) return;
    this.#backfills.delete(id);
    if (this.#random.below(3) === 0) await backfill[Symbol.asyncDispose]();
    else await backfill.finish();
  }

  async #add(backfill: Backfill, id: GroupId, from: number, to: number): Promise<void> {
    for (let index = from; index <= to; index += 1) {
      const { term, messages } = defined(this.acknowledged.group(id).entries[index - 1], "an entry to fill in");
      this.#batch.reset();
      for (const message of messages) addMessage(this.#batch, message);
      backfill.add({ index, term, kind: "data", payload: this.#batch.payload(), writtenMs: index });
    }
    this.#mark(id, from, to, "maybe");
    await backfill.flush();
    this.#mark(id, from, to, "yes");
  }

  #mark(id: GroupId, from: number, to: number, held: ModelEntry["held"]): void {
    for (const model of [this.acknowledged, this.staged]) {
      const { entries } = model.group(id);
      for (let at = from - 1; at < to; at += 1) entries[at] = { ...defined(entries[at], "an entry"), held };
    }
  }
}

function contentOf(id: GroupId, index: number): Uint8Array {
  return Buffer.from(`group ${id} at ${index}`);
}
