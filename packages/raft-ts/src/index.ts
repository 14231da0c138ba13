export { decodeConfiguration, encodeConfiguration } from "./core/configuration-codec.ts";
export type { Driver, DriverOptions, Group, GroupOptions, RoleName } from "./driver/api.ts";
export { createDriver } from "./driver/driver.ts";
export type { GroupMessage, LedGroup, PairHeartbeat, PairHeartbeatReply, PeerMessage } from "./driver/messages.ts";
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
  StoredEntry,
  Transport,
  Turn,
} from "./ports.ts";
