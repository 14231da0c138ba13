import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { unpackedNft } from "./nft-binary.ts";

const patienceMs = 150_000;

/** The packages come from wherever this machine gets its own; without a network, or on another system, they cannot. */
async function whyNoPackages(): Promise<string | undefined> {
  return promisify(execFile)("apt-get", ["--print-uris", "download", "nftables"]).then(
    () => undefined,
    () => "apt-get knows no package nftables here",
  );
}

const missing = await whyNoPackages();
const unpacks = "nft is unpacked once, runs, and leaves nothing half done";

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "saturnmq-nft-"));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

if (missing !== undefined) test.skip(`${unpacks} (skipped: ${missing})`, () => undefined);
else
  test(
    unpacks,
    async () => {
      // Two at once, as of two test files.
      const [one, other] = await Promise.all([unpackedNft(cache), unpackedNft(cache)]);
      expect(other).toEqual(one);
      const { stdout } = await promisify(execFile)(one.program, ["--version"], { env: { ...process.env, ...one.env } });
      expect(stdout).toMatch(/^nftables v/);
      expect(await readdir(cache)).toHaveLength(1);
    },
    patienceMs,
  );

test("a cache folder that holds something else is told of, not used", async () => {
  const blocked = join(cache, "blocked");
  await writeFile(blocked, "");
  await expect(unpackedNft(blocked)).rejects.toThrow();
});
