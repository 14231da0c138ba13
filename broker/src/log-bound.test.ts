import { expect, test } from "@jest/globals";
import { type Disk, DiskError } from "@saturnmq/kit";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { parseBrokerConfig } from "./config.ts";
import { logBound } from "./log-bound.ts";

const gib = 1_024 ** 3;

function diskOf(space: () => ReturnType<Disk["space"]>): Disk {
  return Object.assign(new MemoryDisk(), { space });
}

test.each([
  { why: "seventy percent when nothing is said", store: {}, totalGib: 100, boundGib: 70 },
  { why: "the share that is said", store: { logPercentMax: 25 }, totalGib: 100, boundGib: 25 },
  { why: "its own bound, being less", store: { logBytesMax: 8 * gib }, totalGib: 100, boundGib: 8 },
  { why: "the share, being less", store: { logBytesMax: 8 * gib }, totalGib: 10, boundGib: 7 },
])("a log may take $why", async ({ store, totalGib, boundGib }) => {
  const disk = diskOf(() => Promise.resolve({ freeBytes: 0, totalBytes: totalGib * gib }));
  expect(await logBound(parseBrokerConfig({ store }), disk)()).toBe(boundGib * gib);
});

test("a volume that grows is noticed; one that cannot be asked is what it was", async () => {
  const answers = [
    () => Promise.reject(new DiskError("io", "/data", "cannot be asked")),
    () => Promise.resolve({ freeBytes: 0, totalBytes: 10 }),
    () => Promise.resolve({ freeBytes: 0, totalBytes: 100 }),
    () => Promise.reject(new DiskError("io", "/data", "cannot be asked")),
  ];
  const bound = logBound(
    parseBrokerConfig({}),
    diskOf(() => answers.shift()!()),
  );
  expect([await bound(), await bound(), await bound(), await bound()]).toEqual([Infinity, 7, 70, 70]);
});
