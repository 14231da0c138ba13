import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** Waits until `find` answers something. @throws when it does not within `seconds`, with what it said last */
export async function eventually<Type>(
  what: string,
  seconds: number,
  find: () => Promise<Type | undefined>,
): Promise<Type> {
  const endMs = Date.now() + seconds * 1_000;
  let last = "";
  while (Date.now() < endMs) {
    try {
      const found = await find();
      if (found !== undefined) return found;
    } catch (error) {
      last = String(error);
    }
    await sleep(250);
  }
  throw new Error(`not within ${seconds} s: ${what}${last === "" ? "" : `; last: ${last}`}`);
}

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end. */
export function run(
  program: string,
  args: readonly string[],
  {
    input = "",
    env = {},
    seconds = 60,
  }: { readonly input?: string; readonly env?: Readonly<Record<string, string>>; readonly seconds?: number } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, timeout: seconds * 1_000 });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** What a program said that ended well. @throws {Error} when it did not */
export async function expectDone(work: Promise<Ran>): Promise<Ran> {
  const ran = await work;
  if (ran.code === 0) return ran;
  throw new Error(`exit code ${ran.code}: ${ran.stdout.slice(-500)}\n${ran.stderr.slice(-2_000)}`);
}
