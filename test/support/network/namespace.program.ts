import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

// Runs inside a namespace: what a test of namespaces asks for.

export async function echo(input: unknown): Promise<unknown> {
  return input;
}

export async function fail(reason: string): Promise<never> {
  throw new Error(reason);
}

/** Ends this process, and so the namespace. */
export async function vanish(code: number): Promise<never> {
  process.exit(code);
}

export async function look(): Promise<{
  readonly pid: number;
  readonly interfaces: readonly string[];
  readonly processes: number;
}> {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length;
  return { pid: process.pid, interfaces: Object.keys(networkInterfaces()), processes };
}

/** Leaves a process behind that nobody here would end: it has a session of its own and ignores what can be ignored. */
export async function leave(seconds: string): Promise<void> {
  const script = `trap '' HUP TERM INT; sleep ${seconds}; sleep ${seconds}`;
  const child = spawn("setsid", ["sh", "-c", script], { stdio: "ignore", detached: true });
  await once(child, "spawn");
}

/** Mounts a small disk over a folder and writes to it. */
export async function mountOver(folder: string): Promise<void> {
  const mounted = spawn("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
  await once(mounted, "exit");
  writeFileSync(`${folder}/inside`, "");
}
