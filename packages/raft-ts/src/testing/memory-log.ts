import { assert, defined } from "@saturnmq/kit";
import { encodeConfiguration } from "../core/configuration-codec.ts";
import type {
  Configuration,
  ConfigurationAt,
  Damage,
  EntryKind,
  GroupId,
  HardState,
  LogView,
  Payload,
  Position,
  RaftLog,
  StoredEntry,
} from "../ports.ts";

/** An entry as the memory log keeps it: with a copy of its payload. */
export type MemoryEntry = {
  readonly term: number;
  readonly kind: EntryKind;
  readonly bytes: Uint8Array;
  readonly crc: number;
};

/** A group's part of the log: entry `i + 1` at `i`, nothing where the log begins later. */
export type Image = {
  readonly entries: readonly (MemoryEntry | undefined)[];
  /** The place right before the first entry. */
  readonly start: { readonly index: number; readonly term: number };
  /** Rising by index: those of entries, and the newest at or below the start. */
  readonly configurations: readonly ConfigurationAt[];
  readonly hardState: HardState;
  readonly damage: Damage;
};

type MutableImage = {
  entries: (MemoryEntry | undefined)[];
  start: Image["start"];
  configurations: ConfigurationAt[];
  hardState: HardState;
  damage: Damage;
};
type Change = (image: MutableImage) => void;
type Staged = { readonly group: GroupId; readonly change: Change };

/** What ends writes and reads: at once, or when a simulated disk says so. */
export type Latency = (what: "write" | "read", done: () => void) => void;

const defaultEntryBytes = 64 * 1024;

/** Test double of the shared log that knows what a power cut would leave: nothing staged, and of a write under way all or nothing. */
export class MemoryLog implements RaftLog {
  readonly maxEntryBytes: number;
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
  #staged: Staged[] = [];
  #stagedBytes = 0;
  #writing: readonly Staged[] | undefined;

  constructor(
    latency: Latency = (_what, done) => void Promise.resolve().then(done),
    images: ReadonlyMap<GroupId, Image> = new Map(),
    maxEntryBytes = defaultEntryBytes,
  ) {
    this.#latency = latency;
    this.maxEntryBytes = maxEntryBytes;
    for (const [group, image] of images) {
      this.#live.set(group, copyOf(image));
      this.#durable.set(group, copyOf(image));
    }
  }

  /** What is on disk after a crash now. A write under way has arrived as a whole or not at all: a frame that is torn is cut. */
  imagesAfterCrash(writeArrived: boolean): ReadonlyMap<GroupId, Image> {
    if (writeArrived && this.#writing !== undefined) carryOut(this.#durable, this.#writing);
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
      get firstIndex() {
        return image.start.index + 1;
      },
      get lastIndex() {
        return image.entries.length;
      },
      get lastTerm() {
        return termAt(image, image.entries.length) ?? 0;
      },
      termAt: (index) => termAt(image, index),
      bytesAt: (index) => image.entries[index - 1]?.bytes.length,
      configurationAt: (index = Infinity) => image.configurations.findLast((at) => at.index <= index),
    };
    this.#views.set(group, view);
    return view;
  }

  hardState(group: GroupId): HardState {
    return imageOf(this.#live, group).hardState;
  }

  append(
    group: GroupId,
    index: number,
    term: number,
    payload: Payload | undefined,
    configuration?: Configuration,
  ): void {
    const { entries, start } = imageOf(this.#live, group);
    if (index <= start.index || index > entries.length + 1)
      throw new RangeError(`Cannot append entry ${index}: the log holds ${start.index + 1} to ${entries.length}`);
    assert(configuration === undefined || payload === undefined, "a configuration entry has no payload of its own");
    const kind = configuration === undefined ? "data" : "configuration";
    const bytes = configuration === undefined ? bytesOf(payload) : encodeConfiguration(configuration);
    assert(configuration !== undefined || bytes.length <= this.roomBytes, "more was staged than there is room for");
    this.#stagedBytes += bytes.length;
    const entry = { term, kind, bytes, crc: payload?.crc ?? 0 } as const;
    this.onAppend(group, index, entry);
    this.#stage(group, (image) => {
      image.entries.splice(index - 1, image.entries.length, entry);
      image.configurations = image.configurations.filter((at) => at.index < index);
      if (configuration !== undefined) image.configurations.push({ index, configuration });
    });
  }

  saveHardState(group: GroupId, hardState: HardState): void {
    this.#stage(group, (image) => {
      image.hardState = hardState;
    });
  }

  saveConfiguration(group: GroupId, at: ConfigurationAt): void {
    assert(imageOf(this.#live, group).configurations.length === 0, "a first configuration replaces another");
    this.#stage(group, (image) => {
      image.configurations = [at];
    });
  }

  restartAt(group: GroupId, index: number, term: number, configuration: ConfigurationAt): void {
    this.#stage(group, (image) => {
      const stands = termAt(image, index) === term;
      image.configurations = [
        configuration,
        ...image.configurations.filter((at) => stands && at.index > index && at.index > configuration.index),
      ];
      if (!stands) image.entries = [];
      image.entries.length = Math.max(image.entries.length, index);
      image.entries.fill(undefined, 0, index);
      image.start = { index, term };
    });
  }

  /** Drops entries up to `index`, which is durable in a checkpoint: what retention does to the shared log. */
  compact(group: GroupId, index: number): void {
    const view = this.view(group);
    if (index < view.firstIndex) return;
    const term = defined(view.termAt(index), "the term of the entry that a log is to begin after");
    this.restartAt(group, index, term, defined(view.configurationAt(index), "the configuration at a log's start"));
  }

  damaged(group: GroupId): Damage {
    return imageOf(this.#live, group).damage;
  }

  healed(group: GroupId): void {
    this.#stage(group, (image) => {
      image.damage = "no";
    });
  }

  get roomBytes(): number {
    return Math.max(0, this.maxEntryBytes - this.#stagedBytes);
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
        carryOut(this.#durable, written);
        this.#writing = undefined;
        resolve();
      });
    });
  }

  position(group: GroupId, index: number): Position | undefined {
    return imageOf(this.#live, group).entries[index - 1] && { segment: 1, offset: index };
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

  #stage(group: GroupId, change: Change): void {
    const staged = { group, change };
    this.#staged.push(staged);
    carryOut(this.#live, [staged]);
  }
}

function termAt({ entries, start }: Image, index: number): number | undefined {
  return index === start.index ? start.term : entries[index - 1]?.term;
}

function bytesOf(payload: Payload | undefined): Uint8Array {
  return payload?.bytes.slice(payload.start, payload.start + payload.length) ?? new Uint8Array(0);
}

function storedEntry(index: number, { term, kind, bytes, crc }: MemoryEntry): StoredEntry {
  const payload = { bytes, start: 0, length: bytes.length, crc };
  return { index, term, kind, payload, position: { segment: 1, offset: index }, summary: false };
}

/** What a log holds of a group that it never heard of. */
export function emptyImage(): Image {
  return {
    entries: [],
    start: { index: 0, term: 0 },
    configurations: [],
    hardState: { term: 0, vote: 0 },
    damage: "no",
  };
}

/** The log as recovery finds it when entries after `index`, which had been durable, cannot be read any more. */
export function damagedImage(image: Image, index: number): Image {
  return {
    ...image,
    entries: image.entries.slice(0, index),
    configurations: image.configurations.filter((at) => at.index <= index),
    damage: "fetch",
  };
}

function copyOf(image: Image): MutableImage {
  return { ...image, entries: [...image.entries], configurations: [...image.configurations] };
}

function imageOf(images: Map<GroupId, MutableImage>, group: GroupId): MutableImage {
  const known = images.get(group);
  if (known !== undefined) return known;
  const image = copyOf(emptyImage());
  images.set(group, image);
  return image;
}

function carryOut(images: Map<GroupId, MutableImage>, staged: readonly Staged[]): void {
  for (const { group, change } of staged) change(imageOf(images, group));
}
