import { expect } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import type { GroupId } from "raft-ts";
import { viewOf } from "../bytes.ts";
import type { LogStore } from "../ports.ts";
import { recordAt, walkRecords } from "../record.ts";
import { readMessage, type TestMessage } from "./messages.ts";

export type ModelEntry = { readonly term: number; readonly messages: readonly TestMessage[] };

/** One group as it must be on disk. Entry 1 is at place 0. */
export type ModelGroup = {
  entries: ModelEntry[];
  logStart: number;
  hardTerm: number;
  vote: number;
};

/** What a log store must hold: as plain data, so that "before this commit" and "after it" can both be kept. */
export class Model {
  readonly groups = new Map<GroupId, ModelGroup>();

  group(id: GroupId): ModelGroup {
    let group = this.groups.get(id);
    if (group === undefined) {
      group = { entries: [], logStart: 1, hardTerm: 0, vote: 0 };
      this.groups.set(id, group);
    }
    return group;
  }

  copy(): Model {
    const copy = new Model();
    for (const [id, group] of this.groups) copy.groups.set(id, { ...group, entries: [...group.entries] });
    return copy;
  }

  /** What differs between the store's views and this; `undefined` when nothing does. */
  difference(store: LogStore): string | undefined {
    for (const id of new Set([...this.groups.keys(), ...store.groups()])) {
      const { entries, logStart, hardTerm, vote } = this.group(id);
      const view = store.view(id);
      const hard = store.hardState(id);
      if (view.lastIndex !== entries.length) return `group ${id} ends at ${view.lastIndex}, not ${entries.length}`;
      if (view.firstIndex !== logStart) return `group ${id} starts at ${view.firstIndex}, not ${logStart}`;
      if (hard.term !== hardTerm || hard.vote !== vote) return `group ${id} voted ${hard.vote} in ${hard.term}`;
      for (let index = logStart; index <= entries.length; index += 1)
        if (view.termAt(index) !== entries[index - 1]?.term) return `entry ${index} of group ${id} has another term`;
    }
    return undefined;
  }

  /** Reads everything back and compares it, entry by entry and queue by queue. The store's messages have been indexed. */
  async expectContent(store: LogStore): Promise<void> {
    for (const id of this.groups.keys()) await this.#expectQueues(store, id);
    for (const [id, { entries, logStart }] of this.groups) {
      for (let index = logStart; index <= entries.length; index += 1) {
        const { payload, term } = await store.read(id, index);
        const expected = defined(entries[index - 1], "the entry");
        const found: TestMessage[] = [];
        const view = viewOf(payload.bytes);
        walkRecords(payload, (at, length) => {
          if (view.getUint8(at + recordAt.flags) === 1)
            found.push(readMessage(payload.bytes.subarray(at, at + length)));
        });
        expect({ index, term, found }).toEqual({ index, term: expected.term, found: expected.messages });
      }
    }
  }

  async #expectQueues(store: LogStore, id: GroupId): Promise<void> {
    const { entries, logStart } = this.group(id);
    const all = entries.flatMap(({ messages }) => messages);
    const needed = new Set(entries.slice(logStart - 1).flatMap(({ messages }) => messages));
    const queues = new Set(all.map(({ stream, partition }) => `${stream}/${partition}`));
    for (const name of queues) {
      const [stream = 0, partition = 0] = name.split("/").map(Number);
      const expected = all.filter((message) => message.stream === stream && message.partition === partition);
      // Below the log start segments may be gone; from the first that is held on nothing may be missing.
      const rows = await store.lookup({ group: id, stream, partition }, 0, expected.length + 1);
      const found: TestMessage[] = [];
      for (const row of rows) found.push(readMessage(await store.readRecord(row)));
      expect(found).toEqual(expected.slice(expected.length - rows.length));
      expect(rows.length).toBeGreaterThanOrEqual(expected.filter((message) => needed.has(message)).length);
    }
  }
}
