import type { Logger } from "@saturnmq/kit";
import { raftTimes } from "../core/times.ts";
import type { ReplicaId, SnapshotReader, SnapshotSource } from "../ports.ts";
import type { PeerMessage, SnapshotPull } from "./messages.ts";

export type SnapshotSenderOptions = {
  readonly group: number;
  readonly source: SnapshotSource | undefined;
  readonly chunkBytes: number;
  readonly send: (to: ReplicaId, message: PeerMessage) => void;
  /** Tells the core what can be offered to a follower. */
  readonly ready: (to: ReplicaId, reader: SnapshotReader | undefined) => void;
  readonly monoMs: () => number;
  readonly guard: (callback: () => void) => void;
  readonly logger: Logger;
};

type Transfer = { readonly reader: SnapshotReader; activeMs: number; reading: boolean };

/**
 * Gives one group's snapshots to followers that are out of the log's reach. The follower asks for each chunk, so one chunk at a time is in memory here,
 * nothing is sent that nobody waits for, and a lost message costs one question more.
 */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #transfers = new Map<ReplicaId, Transfer>();
  readonly #opening = new Set<ReplicaId>();
  #saidNone = false;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  /** A follower needs entries from `nextIndex` on; the log begins at `firstIndex`. Repeated while it does. */
  offer(to: ReplicaId, nextIndex: number, firstIndex: number): void {
    const known = this.#transfers.get(to);
    if (known !== undefined) {
      // It asks for chunks: another offer would tell it nothing new.
      if (this.#options.monoMs() - known.activeMs < raftTimes.resendMs) return;
      if (known.reader.head.index + 1 >= firstIndex) return this.#options.ready(to, known.reader);
      this.end(to);
    }
    if (!this.#opening.has(to)) void this.#open(to, nextIndex, firstIndex);
  }

  /** A follower asks for the next chunk. Of anything that is not being sent to it: it gets an offer before long. */
  pull(from: ReplicaId, { id, offset }: SnapshotPull): void {
    const transfer = this.#transfers.get(from);
    if (transfer === undefined || transfer.reading || transfer.reader.head.id !== id) return;
    const left = transfer.reader.head.bytes - offset;
    if (!Number.isSafeInteger(offset) || offset < 0 || left <= 0) return;
    void this.#answer(from, transfer, offset, Math.min(left, this.#options.chunkBytes));
  }

  /** Something is being sent. */
  get busy(): boolean {
    return this.#transfers.size > 0;
  }

  /** Followers that need a snapshot no more. */
  endExcept(stillNeeds: (to: ReplicaId) => boolean): void {
    for (const to of this.#transfers.keys()) if (!stillNeeds(to)) this.end(to);
  }

  end(to: ReplicaId): void {
    this.#transfers.get(to)?.reader.close();
    this.#transfers.delete(to);
  }

  async #open(to: ReplicaId, nextIndex: number, firstIndex: number): Promise<void> {
    const { source, group, logger, guard, ready, monoMs } = this.#options;
    this.#opening.add(to);
    let reader: SnapshotReader | undefined;
    try {
      reader = await source?.newest(group);
    } catch (error) {
      logger.warn({ group, to, error: String(error) }, "a snapshot cannot be read");
    }
    this.#opening.delete(to);
    guard(() => {
      if (reader === undefined) this.#sayNone(to, nextIndex, firstIndex);
      else this.#transfers.set(to, { reader, activeMs: monoMs(), reading: false });
      ready(to, reader);
    });
  }

  async #answer(to: ReplicaId, transfer: Transfer, offset: number, length: number): Promise<void> {
    const { group, guard, send, monoMs, logger } = this.#options;
    transfer.reading = true;
    transfer.activeMs = monoMs();
    try {
      const bytes = await transfer.reader.read(offset, length);
      transfer.reading = false;
      guard(() => {
        if (this.#transfers.get(to) === transfer)
          send(to, { kind: "snapshotChunk", group, id: transfer.reader.head.id, offset, bytes });
      });
    } catch (error) {
      logger.warn({ group, to, error: String(error) }, "a snapshot cannot be read");
      if (this.#transfers.get(to) === transfer) this.end(to);
    }
  }

  #sayNone(to: ReplicaId, nextIndex: number, firstIndex: number): void {
    if (this.#saidNone) return;
    this.#saidNone = true;
    const { group, logger } = this.#options;
    logger.error(
      { group, to, index: nextIndex, firstIndex },
      "a follower needs entries that the log no longer holds, and there is no snapshot",
    );
  }
}
