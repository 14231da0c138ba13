import { defined } from "@saturnmq/kit";
import type {
  ConfigurationAt,
  GroupId,
  SnapshotHead,
  SnapshotReader,
  SnapshotSink,
  SnapshotSource,
  SnapshotWriter,
} from "../ports.ts";
import type { Image } from "./memory-log.ts";

/** A machine's state at an index. */
export type Checkpoint = {
  readonly index: number;
  readonly term: number;
  readonly configuration: ConfigurationAt;
  readonly values: readonly string[];
};

/** A snapshot that came in part. It outlives a crash, as a file would. */
type Partial = { readonly head: SnapshotHead; bytes: Uint8Array };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What outlives a process: its log, its checkpoints, and what it has of a snapshot. */
export class SimulatedDisk {
  images: ReadonlyMap<GroupId, Image> = new Map();
  readonly #checkpoints = new Map<GroupId, readonly Checkpoint[]>();
  readonly #partial = new Map<GroupId, Partial>();

  checkpoint(group: GroupId): Checkpoint | undefined {
    return this.#checkpoints.get(group)?.at(-1);
  }

  /** Puts a checkpoint there in one step. Two are kept. */
  put(group: GroupId, checkpoint: Checkpoint): void {
    this.#checkpoints.set(group, [...(this.#checkpoints.get(group) ?? []).slice(-1), checkpoint]);
  }

  /** The older of the two checkpoints: up to it the log may go. */
  older(group: GroupId): Checkpoint | undefined {
    return this.#checkpoints.get(group)?.[0];
  }

  partial(group: GroupId, head: SnapshotHead): Partial {
    const known = this.#partial.get(group);
    if (known?.head.id === head.id) return known;
    const fresh: Partial = { head, bytes: new Uint8Array(0) };
    this.#partial.set(group, fresh);
    return fresh;
  }

  dropPartial(group: GroupId): void {
    this.#partial.delete(group);
  }
}

/** Snapshots on a simulated disk: each operation ends when `after` says so. */
export class SimulatedSnapshots implements SnapshotSource, SnapshotSink {
  readonly #disk: SimulatedDisk;
  readonly #after: (done: () => void) => void;
  /** A planted fault: what is finished lacks its end. */
  readonly #half: boolean;

  constructor(disk: SimulatedDisk, after: (done: () => void) => void, half: boolean) {
    this.#disk = disk;
    this.#after = after;
    this.#half = half;
  }

  async newest(group: GroupId): Promise<SnapshotReader | undefined> {
    await this.#wait();
    const checkpoint = this.#disk.checkpoint(group);
    if (checkpoint === undefined) return undefined;
    const content = encoder.encode(JSON.stringify(checkpoint.values));
    const { index, term, configuration } = checkpoint;
    // Machines are deterministic: whoever sends it, it is the same content.
    const head: SnapshotHead = { index, term, configuration, id: `${group}/${index}/${term}`, bytes: content.length };
    return {
      head,
      read: async (offset, length) => {
        await this.#wait();
        return content.slice(offset, offset + length);
      },
      close: () => undefined,
    };
  }

  async begin(group: GroupId, head: SnapshotHead): Promise<SnapshotWriter> {
    await this.#wait();
    const disk = this.#disk;
    const partial = disk.partial(group, head);
    return {
      get offset() {
        return partial.bytes.length;
      },
      write: async (bytes) => {
        await this.#wait();
        const joined = new Uint8Array(partial.bytes.length + bytes.length);
        joined.set(partial.bytes);
        joined.set(bytes, partial.bytes.length);
        partial.bytes = joined;
      },
      finish: async () => {
        await this.#wait();
        const values = JSON.parse(decoder.decode(partial.bytes)) as string[];
        const { index, term, configuration } = head;
        disk.dropPartial(group);
        disk.put(group, { index, term, configuration, values: this.#half ? values.slice(0, -1) : values });
      },
      close: () => undefined,
    };
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#after(resolve);
    });
  }
}

/** The checkpoint that a snapshot left. */
export function checkpointOf(disk: SimulatedDisk, group: GroupId, head: SnapshotHead): Checkpoint {
  const checkpoint = defined(disk.checkpoint(group), "the checkpoint of a snapshot");
  if (checkpoint.index < head.index) throw new Error("the newest checkpoint is older than the snapshot before it");
  return checkpoint;
}
