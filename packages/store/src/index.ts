export {
  CorruptionError,
  type Identity,
  type IndexRow,
  type LogStore,
  type QueueKey,
  type RecordPosition,
  type SegmentStatus,
} from "./ports.ts";
export { recordAt, recordFlags, recordHeadBytes } from "./record.ts";
