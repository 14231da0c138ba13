import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** What `make run` and `npx saturnmq` start: its compile cache is part of how fast a server is back. */
export const cliPath = fileURLToPath(new URL("../../../cli/bin/saturnmq.js", import.meta.url));

const timeoutMs = 30_000;

/** Runs `saturnmq ARGUMENTS` and gives its standard output. @throws {Error} with its output when it fails or takes longer than 30 s */
export function runCli(...commandLine: readonly string[]): Promise<string> {
  return feedCli("", ...commandLine);
}

/** As `runCli`, with something to read on standard input. */
export async function feedCli(input: string, ...commandLine: readonly string[]): Promise<string> {
  const running = promisify(execFile)(process.execPath, [cliPath, ...commandLine], { timeout: timeoutMs });
  running.child.stdin?.end(input);
  return (await running).stdout;
}
