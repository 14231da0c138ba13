import { readFile } from "node:fs/promises";
import { CliError, exitCodes } from "./exit-codes.ts";

/**
 * The settings in a process's configuration file, a JSON object; none without a file.
 *
 * @throws {CliError} when it cannot be read, or is no JSON object
 */
export async function readConfigFile(path: string | undefined): Promise<Readonly<Record<string, unknown>>> {
  if (path === undefined) return {};
  const settings = parse(await read(path), path);
  if (typeof settings === "object" && settings !== null && !Array.isArray(settings))
    return settings as Readonly<Record<string, unknown>>;
  throw new CliError(exitCodes.usage, `${path} must hold one JSON object with settings, see docs/configuration.md`);
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(exitCodes.usage, `the configuration file ${path} cannot be read (${code ?? "unknown"})`, {
      cause: error,
    });
  }
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}
