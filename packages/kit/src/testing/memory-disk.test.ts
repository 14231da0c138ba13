import { describe, expect, test } from "@jest/globals";
import { replaceFile } from "../disk.ts";
import { MemoryDisk } from "./memory-disk.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (disk: MemoryDisk, path: string): string => new TextDecoder().decode(disk.content(path));

describe("MemoryDisk", () => {
  test("a power cut drops what was not synced and keeps what was", async () => {
    const disk = new MemoryDisk();
    const file = await disk.open("a/x", { access: "readWrite", create: true });
    await disk.syncFolder("a");
    await file.write(bytes("durable"), 0, 7, 0);
    await file.sync();
    await file.write(bytes("LOST"), 0, 4, 0);
    expect(text(disk, "a/x")).toBe("LOSTble");
    disk.cutPower();
    await expect(file.sync()).rejects.toThrow("power");
    disk.restart("lost");
    expect(text(disk, "a/x")).toBe("durable");
    await expect(file.size()).rejects.toThrow("earlier life");
  });

  test("a file is gone when its folder was not synced, and a rename undone", async () => {
    const disk = new MemoryDisk();
    await replaceFile(disk, "a/kept", bytes("old"));
    const file = await disk.open("a/new", { access: "readWrite", create: true, syncWrites: true });
    await file.write(bytes("content"), 0, 7, 0);
    await disk.rename("a/new", "a/kept");
    disk.restart("lost");
    expect(disk.paths()).toEqual(["a/kept"]);
    expect(text(disk, "a/kept")).toBe("old");
  });

  test("a synced write is durable when it resolves, unless the disk lies", async () => {
    for (const liesAboutSync of [false, true]) {
      const disk = new MemoryDisk({ liesAboutSync });
      disk.plant("a/x", bytes("before"));
      const file = await disk.open("a/x", { access: "readWrite", syncWrites: true });
      await file.write(bytes("after!"), 0, 6, 0);
      disk.restart("lost");
      expect(text(disk, "a/x")).toBe(liesAboutSync ? "before" : "after!");
    }
  });

  test("one seed, one outcome; many seeds, many outcomes", async () => {
    const outcome = async (seed: number): Promise<string> => {
      const disk = new MemoryDisk({ seed });
      disk.plant("a/x", new Uint8Array(8192));
      const file = await disk.open("a/x", { access: "readWrite" });
      await file.write(new Uint8Array(8192).fill(1), 0, 8192, 0);
      disk.restart();
      return disk.content("a/x").join("");
    };
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, seed) => outcome(seed)));
    expect(await outcome(3)).toBe(outcomes[3]);
    expect(new Set(outcomes).size).toBeGreaterThan(5);
  });

  test("faults strike where they were armed, once or for good", async () => {
    const disk = new MemoryDisk({ capacityBytes: 10 });
    const file = await disk.open("a/x", { access: "readWrite", create: true });
    disk.fail({ on: "write", after: 1 });
    await file.write(bytes("1234"), 0, 4, 0);
    await expect(file.write(bytes("5678"), 0, 4, 0)).rejects.toMatchObject({ code: "io" });
    await file.write(bytes("5678"), 0, 4, 0);
    await expect(file.write(bytes("too long"), 0, 8, 4)).rejects.toMatchObject({ code: "full" });
    disk.fail({ on: "sync", path: "a/", sticky: true });
    await expect(file.sync()).rejects.toMatchObject({ code: "io" });
    await expect(file.sync()).rejects.toMatchObject({ code: "io" });
    disk.fail({ on: "write", short: true });
    await expect(file.write(bytes("abcd"), 0, 4, 0)).rejects.toMatchObject({ code: "io" });
    expect(text(disk, "a/x")).toBe("ab78");
  });

  test("what others take of it leaves less room, and is no part of its size", async () => {
    const disk = new MemoryDisk({ capacityBytes: 10 });
    const file = await disk.open("a/x", { access: "readWrite", create: true });
    disk.ballastBytes = 7;
    await file.write(bytes("123"), 0, 3, 0);
    await expect(file.write(bytes("4"), 0, 1, 3)).rejects.toMatchObject({ code: "full" });
    expect(await disk.space()).toEqual({ freeBytes: 0, totalBytes: 10 });
    disk.ballastBytes = 0;
    await file.write(bytes("4"), 0, 1, 3);
  });

  test("a folder is held by one taker until released or until the machine goes down", async () => {
    const disk = new MemoryDisk();
    const lock = await disk.lockFolder("a");
    await expect(disk.lockFolder("a")).rejects.toMatchObject({ code: "locked" });
    await lock[Symbol.asyncDispose]();
    await disk.lockFolder("a");
    disk.restart();
    await disk.lockFolder("a");
  });
});
