import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { Ballast, mountMemoryDisk } from "../disk/small-disk.ts";

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

/** Mounts a small disk over a folder, fills it up and makes room again: what writing a file to it says each time. */
export async function fillUp(folder: string): Promise<readonly string[]> {
  const write = (name: string): string => {
    try {
      writeFileSync(join(folder, name), Buffer.alloc(4_096));
      return "written";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  };
  await mountMemoryDisk(folder, 1);
  const ballast = new Ballast(folder);
  const empty = write("one");
  await ballast.leave(0);
  const full = write("two");
  await ballast.release();
  return [empty, full, write("three")];
}
