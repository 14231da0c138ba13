/** Fields of one log line. Same names everywhere: `shard, term, index, topic, group, queue, offset, path, err`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What rooms log through; pino satisfies it. Messages are constants, whatever varies is a field. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  fatal(fields: LogFields, message: string): void;
}

const ignore = (): void => undefined;

/** Drops every line: for tests and tools. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, fatal: ignore };
