import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs a program to its end; answers its output and exit code. */
export async function runTool(
  path: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await run(path, [...args], { timeout: timeoutMs, maxBuffer: 1 << 24 });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number | string; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : -1, output: `${stdout ?? ""}${stderr ?? ""}${String(error)}` };
  }
}
