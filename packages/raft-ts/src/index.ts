export { decodeConfiguration, encodeConfiguration } from "./core/configuration-codec.ts";
export { generationOf } from "./core/generation.ts";
export { type ConfigurationChange, type MemberChange, membersOf } from "./core/membership.ts";
export { type ConfigurationTarget, nextChange, type Readiness, type WalkStep } from "./core/walker.ts";
export type { Driver, DriverOptions, FollowerStatus, Group, GroupOptions, RoleName } from "./driver/api.ts";
export { createDriver } from "./driver/driver.ts";
export { RaftError, type RaftErrorCode } from "./driver/errors.ts";
export {
  type GroupMessage,
  type LedGroup,
  type PairHeartbeat,
  type PairHeartbeatReply,
  type PeerMessage,
  type SnapshotChunk,
  type SnapshotPull,
  snapshotChunkBytes,
} from "./driver/messages.ts";
export { immediateTurn } from "./driver/turn.ts";
export type {
  AppliedEntry,
  Configuration,
  ConfigurationAt,
  Damage,
  EntryKind,
  GroupId,
  GroupMachine,
  HardState,
  LogView,
  Payload,
  Position,
  RaftLog,
  ReplicaId,
  SnapshotHead,
  SnapshotReader,
  SnapshotSink,
  SnapshotSource,
  SnapshotWriter,
  StoredEntry,
  Transport,
  Turn,
} from "./ports.ts";
