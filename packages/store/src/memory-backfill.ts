import type { GroupId } from "raft-ts";
import { viewOf } from "./bytes.ts";
import { type EntryRange, without } from "./entry-ranges.ts";
import type { Backfill, BackfillEntry } from "./ports.ts";
import { payloadFault } from "./record-check.ts";

const gatheredBytes = 1024 * 1024;

export type MemoryBackfillContext = {
  readonly maxEntryBytes: number;
  readonly missing: () => readonly EntryRange[];
  /** Stands for the disk. */
  readonly write: () => Promise<void>;
  readonly fill: (entries: readonly BackfillEntry[]) => void;
  /** Makes all that was filled in readable by queue. */
  readonly publish: () => void;
};

/** Back-fill of a `MemoryLogStore`. */
export class MemoryBackfill implements Backfill {
  readonly group: GroupId;
  readonly from: number;
  readonly to: number;
  readonly #context: MemoryBackfillContext;
  #wanted: readonly EntryRange[];
  #added: BackfillEntry[] = [];
  #bytes = 0;
  #finished = false;

  constructor(context: MemoryBackfillContext, group: GroupId, from: number, to: number) {
    this.#context = context;
    this.group = group;
    this.from = from;
    this.to = to;
    this.#wanted = context.missing();
  }

  missing(): readonly EntryRange[] {
    return this.#context.missing();
  }

  get roomBytes(): number {
    return this.#added.length === 0 ? this.#context.maxEntryBytes : Math.max(0, gatheredBytes - this.#bytes);
  }

  add(entry: BackfillEntry): void {
    if (this.#finished) throw new Error("the back-fill has ended");
    const { index, kind, payload } = entry;
    const { bytes, start, length, crc } = payload;
    if (!this.#wanted.some(({ from, to }) => index >= from && index <= to))
      throw new RangeError(`entry ${index} of group ${this.group} is not missing from ${this.from} to ${this.to}`);
    if (length > this.roomBytes)
      throw new RangeError(`a payload of ${length} bytes exceeds the room of ${this.roomBytes}: flush first`);
    const fault = kind === "data" ? payloadFault(bytes, viewOf(bytes), start, length, crc, true) : undefined;
    if (fault !== undefined) throw new RangeError(`entry ${index} is not what was sent: ${fault.detail}`);
    this.#wanted = without(this.#wanted, index, index);
    this.#bytes += length;
    this.#added.push({ ...entry, payload: { bytes: bytes.slice(start, start + length), start: 0, length, crc } });
  }

  async flush(): Promise<void> {
    if (this.#finished) throw new Error("the back-fill has ended");
    const added = this.#added;
    this.#added = [];
    this.#bytes = 0;
    if (added.length === 0) return;
    await this.#context.write();
    this.#context.fill(added);
  }

  async finish(): Promise<void> {
    if (this.#finished) return;
    await this.flush();
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    this.#context.publish();
  }
}
