export { checkpointSnapshots } from "./checkpoint-snapshots.ts";
export type { EntryRange } from "./entry-ranges.ts";
export { type InspectLine, type InspectOptions, inspectLog } from "./inspect.ts";
export { MemoryLogStore, type MemoryLogStoreOptions } from "./memory-log-store.ts";
export { openLogStore } from "./open-log-store.ts";
export type { LogStoreOptions } from "./options.ts";
export {
  type Backfill,
  type BackfillEntry,
  type Checkpoint,
  CorruptionError,
  type DamageRemedy,
  type HeldEntry,
  type Identity,
  type IndexRow,
  type LogStore,
  type QueueKey,
  type RecordPosition,
  type RecordRead,
  type SegmentStatus,
  type Usage,
} from "./ports.ts";
export { type RecordRange, type RecordSink, recordAt, recordFlags, recordHeadBytes, walkRecords } from "./record.ts";
export { RecordBatch } from "./record-batch.ts";
