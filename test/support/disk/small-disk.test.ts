import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { Ballast, LoopDisk, whyNoLoopDisk } from "./small-disk.ts";

const mib = 2 ** 20;
const patienceMs = 30_000;
const missing = await whyNoLoopDisk();
const name = "a disk on a loop mount is full when it is, has room again, and leaves nothing behind";

if (missing !== undefined) test.skip(`${name} (skipped: ${missing})`, () => undefined);
else
  test(
    name,
    async () => {
      let folder: string;
      {
        await using disk = await LoopDisk.open(32);
        ({ folder } = disk);
        const ballast = new Ballast(folder);
        const write = (file: string, bytes = 4 * mib): Promise<void> =>
          writeFile(join(folder, file), Buffer.alloc(bytes));
        await write("one"); // The control: there is room.
        await ballast.leave(mib);
        await expect(write("two")).rejects.toThrow(/ENOSPC/);
        await ballast.take(64 * mib);
        await expect(write("small", 65_536)).rejects.toThrow(/ENOSPC/);
        await ballast.release();
        await write("three");
      }
      await expect(readdir(join(folder, ".."))).rejects.toThrow(/ENOENT/);
    },
    patienceMs,
  );
