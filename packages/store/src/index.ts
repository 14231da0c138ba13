export { type InspectLine, type InspectOptions, inspectLog } from "./inspect.ts";
export { MemoryLogStore, type MemoryLogStoreOptions } from "./memory-log-store.ts";
export { openLogStore } from "./open-log-store.ts";
export type { LogStoreOptions } from "./options.ts";
export {
  CorruptionError,
  type DamageRemedy,
  type Identity,
  type IndexRow,
  type LogStore,
  type QueueKey,
  type RecordPosition,
  type SegmentStatus,
} from "./ports.ts";
export { type RecordRange, type RecordSink, recordAt, recordFlags, recordHeadBytes, walkRecords } from "./record.ts";
export { RecordBatch } from "./record-batch.ts";
