export { crc32 } from "./crc32.ts";
export { nodeDisk } from "./node-disk.ts";
export { isWildcard, nodeNet } from "./node-net.ts";
export { createLogger, type LogLevel, readableLine } from "./pino-logger.ts";
export { systemClock, systemTimers } from "./system-clock.ts";
