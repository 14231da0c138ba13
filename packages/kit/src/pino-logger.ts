import pino from "pino";
import type { Logger } from "./logger.ts";

export const logLevels = ["debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LoggerOptions = {
  /** Lines below it are dropped. */
  readonly level: LogLevel;
  /** One readable line for people instead of JSON. */
  readonly pretty: boolean;
  /** Takes each line with its line break. Default: standard error, so that standard output stays a command's own. */
  readonly write?: (line: string) => void;
};

/** The process's log: JSON lines with `level` as a word and `time` in UTC, or readable ones. Written before the call returns. */
export function createLogger({ level, pretty, write = writeToStderr }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    messageKey: "message",
  };
  return pino(options, { write: pretty ? (line) => write(`${readableLine(line)}\n`) : write });
}

function writeToStderr(line: string): void {
  process.stderr.write(line);
}

type Line = { readonly level: string; readonly time: string; readonly message: string } & Readonly<
  Record<string, unknown>
>;

/** A line of the log as people read it: `12:34:56.789 warn  message  key=value …`, then an error's stack on lines of its own. */
export function readableLine(json: string): string {
  const { level, time, message, err, ...fields } = JSON.parse(json) as Line;
  const values = Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`);
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${message}${values.length > 0 ? " " : ""}${values.join("")}${stackOf(err)}`;
}

function shown(value: unknown): string {
  return typeof value === "string" && /^[\w./:@%+-]+$/.test(value) ? value : JSON.stringify(value);
}

function stackOf(err: unknown): string {
  if (err === undefined) return "";
  const { stack } = err as { readonly stack?: unknown };
  return `\n  ${typeof stack === "string" ? stack.replaceAll("\n", "\n  ") : JSON.stringify(err)}`;
}
