import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { alignedBytes } from "./aligned-bytes.ts";
import { nodeDisk } from "./node-disk.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "saturnmq-disk-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("nodeDisk", () => {
  const disk = nodeDisk();

  test("writes and reads at positions, synced or not", async () => {
    for (const syncWrites of [false, true]) {
      const file = await disk.open(`${folder}/x`, { access: "readWrite", create: true, syncWrites });
      await file.write(Buffer.from("-hello-"), 1, 5, 3);
      await file.sync();
      const target = Buffer.alloc(8, "_");
      expect(await file.read(target, 1, 7, 3)).toBe(5);
      expect(target.toString()).toBe("_hello__");
      expect(file.readSync(target, 0, 2, 6)).toBe(2);
      expect(await file.size()).toBe(8);
      await file.truncate(3);
      expect(await file.size()).toBe(3);
      await file.close();
    }
    expect(await disk.list(folder)).toEqual(["x"]);
    await disk.rename(`${folder}/x`, `${folder}/y`);
    await disk.syncFolder(folder);
    expect((await disk.read(`${folder}/y`)).length).toBe(3);
    await disk.remove(`${folder}/y`);
    await disk.remove(`${folder}/y`);
    expect(await disk.list(folder)).toEqual([]);
  });

  test("writes past the cache what is then read through it", async () => {
    const path = `${folder}/x`;
    const blocks = alignedBytes(65_536);
    blocks.fill(7, 4_096, 12_288);
    const file = await disk.open(path, { access: "readWrite", create: true, uncached: true });
    await file.write(blocks, 4_096, 8_192, 8_192);
    await file.sync();
    await file.close();
    expect(await disk.read(path)).toEqual(Buffer.concat([Buffer.alloc(8_192), Buffer.alloc(8_192, 7)]));
  });

  test("writes through the cache where there is no way past it", async () => {
    // Linux refuses O_DIRECT there.
    const file = await disk.open("/dev/full", { access: "readWrite", uncached: true });
    await expect(file.write(Buffer.from("x"), 0, 1, 0)).rejects.toMatchObject({ code: "full" });
    await file.close();
  });

  test("names the failure and the file", async () => {
    await expect(disk.open(`${folder}/none`, { access: "read" })).rejects.toMatchObject({
      code: "notFound",
      path: `${folder}/none`,
    });
    await expect(disk.read(folder)).rejects.toMatchObject({ code: "io" });
    expect(await disk.list(`${folder}/none`)).toEqual([]);
    expect((await disk.space(folder)).freeBytes).toBeGreaterThan(0);
    const full = await disk.open("/dev/full", { access: "readWrite" });
    await expect(full.write(Buffer.from("x"), 0, 1, 0)).rejects.toMatchObject({ code: "full" });
    await full.close();
  });

  test("creates folders with their parents", async () => {
    await disk.makeFolder(`${folder}/a/b/c`);
    await disk.makeFolder(`${folder}/a/b/c`);
    expect(await disk.list(`${folder}/a/b`)).toEqual(["c"]);
  });

  test("a folder that cannot be made is refused, and the refusal comes", async () => {
    await expect(disk.makeFolder("/proc/saturnmq/data")).rejects.toMatchObject({ path: "/proc/saturnmq/data" });
    await expect(disk.makeFolder("/dev/null/data")).rejects.toMatchObject({ path: "/dev/null/data" });
  });
});

describe("lockFolder", () => {
  const disk = nodeDisk();

  test("one taker at a time, also under a very long path, and free again when released", async () => {
    const deep = `${folder}/${"long-name/".repeat(20)}`;
    await disk.makeFolder(deep);
    const lock = await disk.lockFolder(deep);
    await expect(disk.lockFolder(deep)).rejects.toMatchObject({ code: "locked" });
    await lock[Symbol.asyncDispose]();
    await using again = await disk.lockFolder(deep);
    expect(again).toBeDefined();
  });

  test("of many at once at most one gets it", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => disk.lockFolder(folder)));
    const taken = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(taken.length).toBeLessThanOrEqual(1);
    for (const { value } of taken) await value[Symbol.asyncDispose]();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a process that holds it keeps others out, stopped or running; killed it does not", async () => {
    const source = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, "folder-lock.ts"))};
      await lockFolder(${JSON.stringify(folder)}); console.log("locked"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await expect(disk.lockFolder(folder)).rejects.toMatchObject({ code: "locked" });
    child.kill("SIGSTOP");
    await expect(disk.lockFolder(folder)).rejects.toMatchObject({ code: "locked" });
    child.kill("SIGKILL");
    await once(child, "exit");
    await using lock = await disk.lockFolder(folder);
    expect(lock).toBeDefined();
    expect(readdirSync(folder)).toHaveLength(1);
  });
});
