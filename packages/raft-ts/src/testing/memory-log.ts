import { assert, defined } from "@saturnmq/kit";
import type { GroupId, HardState, LogView, Payload, Position, RaftLog, StoredEntry } from "../ports.ts";

/** An entry as the memory log keeps it: with a copy of its payload. */
export type MemoryEntry = { readonly term: number; readonly bytes: Uint8Array; readonly crc: number };

/** A group's part of the log: entry `i + 1` at `i`. */
export type Image = { readonly entries: readonly MemoryEntry[]; readonly hardState: HardState };

type MutableImage = { entries: MemoryEntry[]; hardState: HardState };
type Change =
  | { readonly kind: "append"; readonly group: GroupId; readonly index: number; readonly entry: MemoryEntry }
  | { readonly kind: "hardState"; readonly group: GroupId; readonly hardState: HardState };

/** What ends writes and reads: at once, or when a simulated disk says so. */
export type Latency = (what: "write" | "read", done: () => void) => void;

const stageBytes = 64 * 1024;
const noHardState: HardState = { term: 0, vote: 0 };

/** Test double of the shared log that knows what a power cut would leave: nothing staged, and of a write under way all or nothing. */
export class MemoryLog implements RaftLog {
  readonly maxEntryBytes = stageBytes;
  /** Set to make the next commits reject. */
  writeError: Error | undefined;
  commits = 0;
  /** Called before an entry takes its place, or the place of others. */
  onAppend: (group: GroupId, index: number, entry: MemoryEntry) => void = () => undefined;
  readonly #latency: Latency;
  readonly #live = new Map<GroupId, MutableImage>();
  readonly #durable = new Map<GroupId, MutableImage>();
  readonly #views = new Map<GroupId, LogView>();
  readonly #appliedIndex = new Map<GroupId, number>();
  #staged: Change[] = [];
  #stagedBytes = 0;
  #writing: readonly Change[] | undefined;

  constructor(
    latency: Latency = (_what, done) => void Promise.resolve().then(done),
    images: ReadonlyMap<GroupId, Image> = new Map(),
  ) {
    this.#latency = latency;
    for (const [group, { entries, hardState }] of images) {
      this.#live.set(group, { entries: [...entries], hardState });
      this.#durable.set(group, { entries: [...entries], hardState });
    }
  }

  /** What is on disk after a crash now. A write under way has arrived as a whole or not at all: a frame that is torn is cut. */
  imagesAfterCrash(writeArrived: boolean): ReadonlyMap<GroupId, Image> {
    if (writeArrived && this.#writing !== undefined) change(this.#durable, this.#writing);
    return this.#durable;
  }

  /** Entries and hard state that a power cut would leave. */
  durable(group: GroupId): Image {
    return imageOf(this.#durable, group);
  }

  /** Entries and hard state including what is only staged. */
  live(group: GroupId): Image {
    return imageOf(this.#live, group);
  }

  /** As last told by `applied`. */
  appliedIndex(group: GroupId): number {
    return this.#appliedIndex.get(group) ?? 0;
  }

  view(group: GroupId): LogView {
    const known = this.#views.get(group);
    if (known !== undefined) return known;
    const image = imageOf(this.#live, group);
    const view: LogView = {
      firstIndex: 1,
      get lastIndex() {
        return image.entries.length;
      },
      get lastTerm() {
        return image.entries.at(-1)?.term ?? 0;
      },
      termAt: (index) => (index === 0 ? 0 : image.entries[index - 1]?.term),
    };
    this.#views.set(group, view);
    return view;
  }

  hardState(group: GroupId): HardState {
    return imageOf(this.#live, group).hardState;
  }

  append(group: GroupId, index: number, term: number, payload: Payload | undefined): void {
    const last = imageOf(this.#live, group).entries.length;
    if (index < 1 || index > last + 1) throw new RangeError(`Cannot append entry ${index}: the last one is ${last}`);
    const bytes = payload?.bytes.slice(payload.start, payload.start + payload.length) ?? new Uint8Array(0);
    assert(bytes.length <= this.roomBytes, "more was staged than there is room for");
    this.#stagedBytes += bytes.length;
    const entry = { term, bytes, crc: payload?.crc ?? 0 };
    this.onAppend(group, index, entry);
    this.#stage({ kind: "append", group, index, entry });
  }

  saveHardState(group: GroupId, hardState: HardState): void {
    this.#stage({ kind: "hardState", group, hardState });
  }

  get roomBytes(): number {
    return stageBytes - this.#stagedBytes;
  }

  get committing(): boolean {
    return this.#writing !== undefined;
  }

  commit(): Promise<void> {
    assert(this.#writing === undefined, "a commit began while another was in flight");
    this.#writing = this.#staged;
    this.#staged = [];
    this.#stagedBytes = 0;
    this.commits += 1;
    return new Promise((resolve, reject) => {
      this.#latency("write", () => {
        const written = defined(this.#writing, "the write that ends");
        if (this.writeError !== undefined) {
          reject(this.writeError);
          return;
        }
        change(this.#durable, written);
        this.#writing = undefined;
        resolve();
      });
    });
  }

  position(group: GroupId, index: number): Position | undefined {
    return index >= 1 && index <= imageOf(this.#live, group).entries.length ? { segment: 1, offset: index } : undefined;
  }

  read(group: GroupId, index: number): Promise<StoredEntry> {
    return new Promise((resolve, reject) => {
      this.#latency("read", () => {
        const entry = imageOf(this.#live, group).entries[index - 1];
        if (entry === undefined) reject(new RangeError(`Cannot read entry ${index} of group ${group}: it is absent`));
        else resolve(storedEntry(index, entry));
      });
    });
  }

  async replay(group: GroupId, from: number, to: number, visit: (entry: StoredEntry) => void): Promise<void> {
    for (let index = from; index <= to; index += 1) visit(await this.read(group, index));
  }

  applied(group: GroupId, index: number): void {
    this.#appliedIndex.set(group, index);
  }

  #stage(staged: Change): void {
    this.#staged.push(staged);
    change(this.#live, [staged]);
  }
}

function storedEntry(index: number, { term, bytes, crc }: MemoryEntry): StoredEntry {
  const payload = { bytes, start: 0, length: bytes.length, crc };
  return { index, term, payload, position: { segment: 1, offset: index }, summary: false };
}

function imageOf(images: Map<GroupId, MutableImage>, group: GroupId): MutableImage {
  const known = images.get(group);
  if (known !== undefined) return known;
  const image: MutableImage = { entries: [], hardState: noHardState };
  images.set(group, image);
  return image;
}

function change(images: Map<GroupId, MutableImage>, changes: readonly Change[]): void {
  for (const one of changes) {
    const image = imageOf(images, one.group);
    if (one.kind === "hardState") image.hardState = one.hardState;
    else image.entries.splice(one.index - 1, image.entries.length, one.entry);
  }
}
