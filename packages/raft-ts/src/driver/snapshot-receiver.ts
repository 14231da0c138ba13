import type { Logger } from "@saturnmq/kit";
import type { ReplicaId, SnapshotHead, SnapshotSink, SnapshotWriter } from "../ports.ts";
import { type PeerMessage, type SnapshotChunk, snapshotChunkBytes } from "./messages.ts";

export type SnapshotReceiverOptions = {
  readonly group: number;
  readonly sink: SnapshotSink | undefined;
  readonly send: (to: ReplicaId, message: PeerMessage) => void;
  /** The snapshot is durable as the group's newest checkpoint. */
  readonly finished: (head: SnapshotHead) => void;
  readonly guard: (callback: () => void) => void;
  readonly logger: Logger;
};

type Transfer = {
  from: ReplicaId;
  readonly head: SnapshotHead;
  writer: SnapshotWriter | undefined;
  /** The disk is at work: what comes meanwhile is a repetition. */
  busy: boolean;
};

/**
 * Takes one snapshot of one group at a time, chunk by chunk, each asked for when the one before is written. An offer of the same content goes on where
 * the last one broke off, from whichever leader; an offer of another begins anew. Nothing is installed before all of it is there and checked.
 */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #transfer: Transfer | undefined;
  #ended = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** A leader offers a snapshot; it repeats that while it hears nothing. */
  fetch(from: ReplicaId, head: SnapshotHead): void {
    if (this.#options.sink === undefined || this.#ended) return;
    const known = this.#transfer;
    if (known !== undefined && known.head.id === head.id) {
      known.from = from;
      this.#pull(known);
    } else if (known?.busy !== true) void this.#begin(this.#options.sink, from, head);
  }

  /** The chunk that was asked for, or a repetition of one. */
  take(from: ReplicaId, { id, offset, bytes }: SnapshotChunk): void {
    const transfer = this.#transfer;
    if (transfer?.writer === undefined || transfer.busy || transfer.from !== from || transfer.head.id !== id) return;
    const left = transfer.head.bytes - offset;
    if (offset !== transfer.writer.offset || bytes.length === 0 || bytes.length > Math.min(left, snapshotChunkBytes))
      return;
    void this.#write(transfer, transfer.writer, bytes);
  }

  /** Goes no further. */
  end(): void {
    this.#ended = true;
    this.#drop();
  }

  async #begin(sink: SnapshotSink, from: ReplicaId, head: SnapshotHead): Promise<void> {
    this.#drop();
    const transfer: Transfer = { from, head, writer: undefined, busy: true };
    this.#transfer = transfer;
    await this.#attempt(transfer, async () => {
      transfer.writer = await sink.begin(this.#options.group, head);
      if (transfer.writer.offset === head.bytes) await this.#finish(transfer, transfer.writer);
    });
  }

  async #write(transfer: Transfer, writer: SnapshotWriter, bytes: Uint8Array): Promise<void> {
    await this.#attempt(transfer, async () => {
      await writer.write(bytes);
      if (writer.offset === transfer.head.bytes) await this.#finish(transfer, writer);
    });
  }

  async #finish(transfer: Transfer, writer: SnapshotWriter): Promise<void> {
    await writer.finish();
    if (this.#transfer === transfer) this.#transfer = undefined;
    this.#options.guard(() => {
      if (!this.#ended) this.#options.finished(transfer.head);
    });
  }

  /** Works on the disk, then asks for more. What fails is dropped: the leader offers again. */
  async #attempt(transfer: Transfer, work: () => Promise<void>): Promise<void> {
    const { group, logger, guard } = this.#options;
    transfer.busy = true;
    try {
      await work();
    } catch (error) {
      logger.warn({ group, from: transfer.from, error: String(error) }, "a snapshot cannot be taken");
      if (this.#transfer === transfer) this.#drop();
    }
    transfer.busy = false;
    if (this.#transfer !== transfer) transfer.writer?.close();
    else
      guard(() => {
        this.#pull(transfer);
      });
  }

  #pull({ from, head, writer, busy }: Transfer): void {
    if (writer === undefined || busy) return;
    const { group, send } = this.#options;
    send(from, { kind: "snapshotPull", group, id: head.id, offset: writer.offset });
  }

  #drop(): void {
    const dropped = this.#transfer;
    this.#transfer = undefined;
    if (dropped !== undefined && !dropped.busy) dropped.writer?.close();
  }
}
