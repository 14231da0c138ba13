export type {
  AppliedEntry,
  GroupId,
  GroupMachine,
  HardState,
  LogView,
  Payload,
  Position,
  RaftLog,
  ReplicaId,
  StoredEntry,
  Transport,
} from "./ports.ts";
