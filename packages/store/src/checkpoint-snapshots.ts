import { createHash } from "node:crypto";
import { assert } from "@saturnmq/kit";
import type { GroupId, SnapshotHead, SnapshotReader, SnapshotSink, SnapshotSource, SnapshotWriter } from "raft-ts";
import type { LogStore } from "./ports.ts";

/** A state is small beside its log: one that claims to be larger is not taken. */
const snapshotBytesMax = 2 ** 31;

type Incoming = { readonly head: SnapshotHead; readonly chunks: Uint8Array[]; offset: number };

/**
 * A store's checkpoints as the snapshots that replicas send each other. The content is named by its SHA-256, so that a transfer goes on with whichever
 * replica has the same, and what arrived is checked against its name before it is kept.
 */
export function checkpointSnapshots(
  store: Pick<LogStore, "readCheckpoint" | "writeCheckpoint">,
): SnapshotSource & SnapshotSink {
  const unfinished = new Map<GroupId, Incoming>();
  return {
    newest: async (group) => {
      const checkpoint = await store.readCheckpoint(group);
      // One that was written before configurations were kept beside it cannot tell who the members were.
      if (checkpoint?.configuration === undefined) return undefined;
      const { index, term, bytes, configuration } = checkpoint;
      return readerOf({ index, term, configuration, id: nameOf([bytes]), bytes: bytes.length }, bytes);
    },
    begin: async (group, head) => {
      if (head.bytes > snapshotBytesMax)
        throw new RangeError(`a snapshot of ${head.bytes} bytes is larger than any is: ${snapshotBytesMax} at most`);
      const known = unfinished.get(group);
      const incoming = known?.head.id === head.id ? known : { head, chunks: [], offset: 0 };
      unfinished.set(group, incoming);
      return writerOf(store, group, incoming, () => {
        if (unfinished.get(group) === incoming) unfinished.delete(group);
      });
    },
  };
}

function readerOf(head: SnapshotHead, bytes: Uint8Array): SnapshotReader {
  return {
    head,
    read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
    close: () => undefined,
  };
}

function writerOf(
  store: Pick<LogStore, "writeCheckpoint">,
  group: GroupId,
  incoming: Incoming,
  forget: () => void,
): SnapshotWriter {
  const { head, chunks } = incoming;
  return {
    get offset() {
      return incoming.offset;
    },
    write: async (bytes) => {
      assert(incoming.offset + bytes.length <= head.bytes, "a snapshot is longer than it was said to be");
      chunks.push(bytes);
      incoming.offset += bytes.length;
    },
    finish: async () => {
      forget();
      if (nameOf(chunks) !== head.id)
        throw new Error("a snapshot arrived damaged: its content is not what its name says");
      await store.writeCheckpoint(group, head.index, head.term, chunks, head.configuration);
    },
    close: () => undefined,
  };
}

function nameOf(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
