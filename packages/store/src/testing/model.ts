import { expect } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import type { Configuration, ConfigurationAt, GroupId } from "raft-ts";
import { viewOf } from "../bytes.ts";
import type { EntryRange } from "../entry-ranges.ts";
import type { LogStore, QueueKey } from "../ports.ts";
import { recordAt, walkRecords } from "../record.ts";
import { readMessage, recordsAt, type TestMessage } from "./messages.ts";

/** `held`: whether the store has it; what lies in front of a restarted log was never here until it is filled in. */
export type ModelEntry = {
  readonly term: number;
  readonly messages: readonly TestMessage[];
  readonly configuration: Configuration | undefined;
  readonly held: "yes" | "no" | "maybe";
};

/** One group as it must be on disk. Entry 1 is at place 0. */
export type ModelGroup = {
  entries: ModelEntry[];
  /** Of the view. */
  first: number;
  /** Entries from here on are kept. */
  floor: number;
  /** By rising index; older ones than the view can ask for may be among them. */
  configurations: ConfigurationAt[];
  hardTerm: number;
  vote: number;
};

/** What a log store must hold: as plain data, so that "before this commit" and "after it" can both be kept. */
export class Model {
  readonly groups = new Map<GroupId, ModelGroup>();

  group(id: GroupId): ModelGroup {
    let group = this.groups.get(id);
    if (group === undefined) {
      group = { entries: [], first: 1, floor: 1, configurations: [], hardTerm: 0, vote: 0 };
      this.groups.set(id, group);
    }
    return group;
  }

  copy(): Model {
    const copy = new Model();
    for (const [id, group] of this.groups)
      copy.groups.set(id, { ...group, entries: [...group.entries], configurations: [...group.configurations] });
    return copy;
  }

  /** What differs between the store's views and this; `undefined` when nothing does. */
  difference(store: LogStore): string | undefined {
    for (const id of new Set([...this.groups.keys(), ...store.groups()])) {
      const { entries, first, floor, hardTerm, vote } = this.group(id);
      const view = store.view(id);
      const hard = store.hardState(id);
      if (view.lastIndex !== entries.length) return `group ${id} ends at ${view.lastIndex}, not ${entries.length}`;
      if (view.firstIndex !== first) return `group ${id} starts at ${view.firstIndex}, not ${first}`;
      if (hard.term !== hardTerm || hard.vote !== vote) return `group ${id} voted ${hard.vote} in ${hard.term}`;
      if (store.damaged(id) !== "no") return `group ${id} is damaged`;
      for (let index = first; index <= entries.length; index += 1)
        if (view.termAt(index) !== entries[index - 1]?.term) return `entry ${index} of group ${id} has another term`;
      const missing = store.missing(id, floor, entries.length);
      for (let index = floor; index <= entries.length; index += 1) {
        const held = missing.every(({ from, to }) => index < from || index > to) ? "yes" : "no";
        if (entries[index - 1]?.held !== held && entries[index - 1]?.held !== "maybe")
          return `entry ${index} of group ${id}: held ${held}, not ${entries[index - 1]?.held ?? ""}`;
      }
      const wrong = this.#configurationDifference(store, id);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** What the store says where this cannot know. */
  learn(store: LogStore): void {
    for (const [id, { entries, floor }] of this.groups) {
      const missing = store.missing(id, floor, entries.length);
      entries.forEach((entry, at) => {
        const held = missing.some(({ from, to }) => at + 1 >= from && at + 1 <= to) ? "no" : "yes";
        if (entry.held === "maybe") entries[at] = { ...entry, held };
      });
    }
  }

  /** Reads everything back and compares it, entry by entry and queue by queue. The store's messages have been indexed. */
  async expectContent(store: LogStore): Promise<void> {
    for (const id of this.groups.keys()) await this.#expectQueues(store, id);
    for (const [id, { entries, floor }] of this.groups) {
      for (let index = floor; index <= entries.length; index += 1) {
        const expected = defined(entries[index - 1], "the entry");
        if (expected.held !== "yes") continue;
        const { payload, term, kind } = await store.read(id, index);
        const found: TestMessage[] = [];
        const view = viewOf(payload.bytes);
        if (kind === "data")
          walkRecords(payload, (at, length) => {
            if (view.getUint8(at + recordAt.flags) === 1)
              found.push(readMessage(payload.bytes.subarray(at, at + length)));
          });
        expect({ index, term, kind, found }).toEqual({
          index,
          term: expected.term,
          kind: expected.configuration === undefined ? "data" : "configuration",
          found: expected.messages,
        });
      }
    }
  }

  #configurationDifference(store: LogStore, id: GroupId): string | undefined {
    const { entries, first, configurations } = this.group(id);
    for (let index = first - 1; index <= entries.length; index += 1) {
      const found = store.view(id).configurationAt(index);
      const expected = configurations.findLast((at) => at.index <= index);
      if (JSON.stringify(found) !== JSON.stringify(expected))
        return `at ${index} of group ${id} ${JSON.stringify(found)} is in force, not ${JSON.stringify(expected)}`;
    }
    return undefined;
  }

  async #expectQueues(store: LogStore, id: GroupId): Promise<void> {
    const { entries, floor } = this.group(id);
    const all = entries.flatMap(({ messages }) => messages);
    const needed = new Set(
      entries.filter(({ held }, at) => at + 1 >= floor && held === "yes").flatMap(({ messages }) => messages),
    );
    const queues = new Set(all.map(({ stream, partition }) => `${stream}/${partition}`));
    for (const name of queues) {
      const [stream = 0, partition = 0] = name.split("/").map(Number);
      const key = { group: id, stream, partition };
      const expected = all.filter((message) => message.stream === stream && message.partition === partition);
      // Below the floor segments may be gone; what is there is right, and of what is needed nothing is missing.
      for (const message of await messagesIn(store, key, 0, expected.length + 1))
        expect(message).toEqual(expected[message.offset]);
      for (const { from, to } of runsOf(expected, needed))
        expect(await messagesIn(store, key, from, to - from + 1)).toEqual(expected.slice(from, to + 1));
    }
  }
}

async function messagesIn(
  store: LogStore,
  key: QueueKey,
  from: number,
  count: number,
): Promise<readonly TestMessage[]> {
  const found: TestMessage[] = [];
  for (const record of await recordsAt(store, await store.lookup(key, from, count))) found.push(readMessage(record));
  return found;
}

/** Consecutive offsets of needed messages. */
function runsOf(messages: readonly TestMessage[], needed: ReadonlySet<TestMessage>): readonly EntryRange[] {
  const runs: EntryRange[] = [];
  for (const message of messages) {
    if (!needed.has(message)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.to + 1 === message.offset)
      runs[runs.length - 1] = { from: last.from, to: message.offset };
    else runs.push({ from: message.offset, to: message.offset });
  }
  return runs;
}
