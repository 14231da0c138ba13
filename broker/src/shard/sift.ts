import { assert } from "@saturnmq/kit";
import { CorruptionError, type IndexRow } from "@saturnmq/store";
import type { FilterTest } from "../domain/filter.ts";
import type { Unwanted } from "../domain/filters.ts";
import type { Reader } from "../domain/leases.ts";
import type { Run } from "../domain/runs.ts";
import type { ReadMessage, StoredMessages } from "./stored-messages.ts";

/** Taken messages by what is to become of them. What is in none of the three is not needed. */
export type Sifted = {
  /** Wanted, read whole, by offset. */
  readonly found: Map<number, ReadMessage>;
  readonly unwanted: Unwanted[];
  /** Their bytes are not what was written. */
  readonly unreadable: number[];
};

export type Sieve = {
  readonly messages: StoredMessages;
  readonly reader: Reader;
  readonly test: FilterTest;
  /** Most that are needed. */
  readonly count: number;
  /** First offset of the queue that is kept, as decided. */
  readonly min: () => number;
  readonly corrupt: (offset: number, error: CorruptionError) => void;
};

/** Looks at taken messages: the index tells most of those that are not wanted, the others are read. */
export async function sift(sieve: Sieve, runs: readonly Run[]): Promise<Sifted> {
  const sifted: Sifted = { found: new Map(), unwanted: [], unreadable: [] };
  const { messages, reader } = sieve;
  for (const run of runs) {
    const rows = messages.rows(reader.topic, reader.queue, run.offset, run.count);
    await siftRun(sieve, run, rows instanceof Promise ? await rows : rows, sifted);
  }
  return sifted;
}

async function siftRun(sieve: Sieve, run: Run, rows: readonly IndexRow[], to: Sifted): Promise<void> {
  const { messages, reader, test, count, min } = sieve;
  // Trimmed since it was taken: it is finished.
  if (run.offset < min()) return;
  assert(
    rows.length === run.count,
    `the index lacks messages of topic ${reader.topic} queue ${reader.queue} from ${run.offset} on`,
  );
  const wanted: IndexRow[] = [];
  const offsets: number[] = [];
  rows.forEach((row, at) => {
    const offset = run.offset + at;
    if (!test.mayWant(row.tagHash)) {
      to.unwanted.push({ offset, tagHash: row.tagHash, tag: undefined });
    } else if (to.found.size + wanted.length < count) {
      offsets.push(offset);
      wanted.push(row);
    }
  });
  const reads = messages.read(wanted);
  // What is in memory needs no turn of its own.
  for (const [index, message] of (reads instanceof Promise ? await reads : reads).entries()) {
    const offset = offsets[index] ?? 0;
    if (message instanceof Error) failed(sieve, offset, message, to);
    else if (test.wants(message)) to.found.set(offset, message);
    else to.unwanted.push({ offset, tagHash: wanted[index]?.tagHash ?? 0, tag: message.tag });
  }
}

function failed({ min, corrupt }: Sieve, offset: number, error: Error, to: Sifted): void {
  // Trimmed while it was read: its segment may be gone.
  if (offset < min()) return;
  if (!(error instanceof CorruptionError)) throw error;
  to.unreadable.push(offset);
  corrupt(offset, error);
}
