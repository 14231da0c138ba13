import { type ChildProcess, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const saturnmq = fileURLToPath(new URL("../../../cli/bin/saturnmq.js", import.meta.url));

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

/** The command of this repository, at an endpoint. */
export function command(endpoint: string, ...args: readonly string[]): Promise<Ran> {
  return run(process.execPath, [saturnmq, "--endpoint", endpoint, ...args]);
}

/** Starts an operator that looks after one namespace. */
export function startOperator(kubeconfig: string, namespace: string, logFile: string): ChildProcess {
  const log = openSync(logFile, "a");
  const env = {
    ...process.env,
    KUBECONFIG: kubeconfig,
    SATURNMQ_NAMESPACES: JSON.stringify([namespace]),
    SATURNMQ_LEASE_NAMESPACE: namespace,
    SATURNMQ_HTTP_PORT: "0",
  };
  return spawn("setpriv", ["--pdeathsig", "KILL", "--", process.execPath, saturnmq, "operator"], {
    env,
    stdio: ["ignore", log, log],
  });
}
