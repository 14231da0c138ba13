import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, jest, test } from "@jest/globals";
import type * as program from "./namespace.program.ts";
import { Namespace, whyNoNamespace } from "./namespace.ts";

// Processes start slowly on a busy machine.
jest.setTimeout(60_000);

const path = fileURLToPath(new URL("./namespace.program.ts", import.meta.url));
const open = () => Namespace.open<typeof program>(path);
const missing = whyNoNamespace();

/** Whether a process with this argument runs anywhere on the machine. */
async function runs(argument: string): Promise<boolean> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.some((line) => line.split("\0").includes(argument));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A span that no other process sleeps for. */
function oddSpan(): string {
  return `${100_000 + process.pid}.${Math.floor(Math.random() * 1e6)}`;
}

if (missing !== undefined) test.skip(`namespaces (skipped: ${missing})`, () => undefined);
else
  describe("a namespace", () => {
    test("has a loopback network, process ids and mounts of its own, and passes values in and out", async () => {
      await using one = await open();
      const value = { text: "später", map: new Map([[1, undefined]]), bytes: Buffer.from([1]) };
      expect(await one.call("echo", value)).toEqual({ ...value, bytes: new Uint8Array([1]) });
      expect(await one.call("look", undefined as never)).toEqual({ pid: 1, interfaces: ["lo"], processes: 1 });
    });

    test("mounts a small disk without root, which fills up and is seen inside only", async () => {
      await using one = await open();
      const folder = await mkdtemp(join(tmpdir(), "saturnmq-mount-"));
      expect(await one.call("fillUp", folder)).toEqual(["written", "ENOSPC", "written"]);
      expect(await readdir(folder)).toEqual([]);
      await rm(folder, { recursive: true });
    });

    test("tells why a call failed, and goes on", async () => {
      await using one = await open();
      await expect(one.call("fail", "no luck")).rejects.toThrow("no luck");
      expect(await one.call("echo", 1)).toBe(1);
    });

    test("tells that its program is gone", async () => {
      await using one = await open();
      await expect(one.call("vanish", 3)).rejects.toThrow(/ended: exit code 3/);
      await expect(one.call("echo", 1)).rejects.toThrow();
    });

    test("is not there when its program cannot be loaded, with the reason", async () => {
      await expect(Namespace.open(`${path}.absent`)).rejects.toThrow(/Cannot find module/);
    });

    test.each<{ how: string; end: (one: Namespace<typeof program>) => unknown }>([
      { how: "it is closed", end: (one) => one[Symbol.asyncDispose]() },
      { how: "its unshare is killed", end: ({ pid }) => process.kill(pid ?? 0, "SIGKILL") },
    ])("leaves no process behind when $how", async ({ end }) => {
      const span = oddSpan();
      await using one = await open();
      await one.call("leave", span);
      await until(() => runs(span));
      await end(one);
      await until(async () => !(await runs(span)));
    });

    test("leaves no process behind when whoever opened it is killed", async () => {
      const span = oddSpan();
      const opener = [
        `import { Namespace } from ${JSON.stringify(new URL("./namespace.ts", import.meta.url).href)};`,
        `const one = await Namespace.open(${JSON.stringify(path)});`,
        `await one.call("leave", ${JSON.stringify(span)});`,
        `console.log("left");`,
      ].join("\n");
      const child = spawn(process.execPath, ["--input-type=module", "-e", opener], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(child.stdout, "data");
      await until(() => runs(span));
      child.kill("SIGKILL");
      await until(async () => !(await runs(span)));
    });
  });
