import { SaturnError } from "@saturnmq/kit";
import { CommanderError } from "commander";
import { CliError, type ExitCode, exitCodes } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { buildProgram } from "./program.ts";

/**
 * Runs one command line and answers the exit code. Results go to standard output; whatever went wrong is one line on standard error.
 *
 * @param commandLine what follows the program's name
 */
export async function run(io: Io, commandLine: readonly string[], version: string): Promise<ExitCode> {
  try {
    await buildProgram(io, version).parseAsync(commandLine, { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    return fail(io, error);
  }
}

function fail(io: Io, error: unknown): ExitCode {
  // Commander has written its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (isSystemError(error) && error.code === "EPIPE") return exitCodes.failure;
  io.stderr.write(`saturnmq: ${describe(error)}\n`);
  if (error instanceof CliError) return error.exitCode;
  // A wrong setting of `dev`: what a server refuses comes as `CliError`.
  return error instanceof SaturnError && error.code === "BAD_REQUEST" ? exitCodes.usage : exitCodes.failure;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}

// Failures that say what was wrong and what to do; of anything else, which is a bug, the stack is worth more.
const told: ReadonlySet<string> = new Set([
  "CliError",
  "SaturnError",
  "DiskError",
  "CorruptionError",
  "ForeignFolderError",
  "UnknownFormatError",
]);

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return told.has(error.name) ? error.message : (error.stack ?? error.message);
}
