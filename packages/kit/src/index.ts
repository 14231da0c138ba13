export { alignedBytes } from "./aligned-bytes.ts";
export { assert, assertNever, defined, InvariantError } from "./assert.ts";
export { type Cancel, type Clock, pause, type Timers } from "./clock.ts";
export { type Disk, DiskError, type DiskErrorCode, type DiskFile, type OpenOptions, replaceFile } from "./disk.ts";
export { type ErrorCode, errorTable, SaturnError } from "./errors.ts";
export { checkDataPlace, claimFolderRole, type FolderRole } from "./folder-role.ts";
export { listenError } from "./listen-error.ts";
export { type LogFields, type Logger, silentLogger } from "./logger.ts";
export { deadLetterTopicOf, groupNameProblem, isDeadLetterTopic, topicNameProblem } from "./names.ts";
export {
  type Connection,
  type ConnectionHandler,
  hostAndPort,
  type Listener,
  type ListenOptions,
  type Net,
  NetError,
  type NetErrorCode,
} from "./net.ts";
export { type Random, SeededRandom } from "./random.ts";
export { viewOver } from "./view-over.ts";
