// Keeps the program as it is at a commit, for test/versions to run it beside the present one: `scripts/node scripts/freeze-version.js COMMIT`.
// What is frozen is the version before the present feature level; whoever raises `featureLevelKnown` freezes the commit before.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";

const root = join(import.meta.dirname, "..");
const folder = join(root, "test/versions");
/** Tests and pages take room and run nothing. */
const kept = ["packages", "broker", "nameserver", "cli"];
const left = [":(exclude)*.test.ts", ":(exclude)*/testing/*", ":(exclude)*.md"];

const [asked = ""] = process.argv.slice(2);
if (asked === "") {
  process.stderr.write("usage: scripts/node scripts/freeze-version.js COMMIT\n");
  process.exit(2);
}
const git = (...args) => execFileSync("git", args, { cwd: root, maxBuffer: 2 ** 28 });
const commit = git("rev-parse", "--verify", `${asked}^{commit}`).toString().trim();
const tar = git("archive", "--format=tar", commit, "--", ...kept, ...left);
writeFileSync(join(folder, "previous.tar.gz"), gzipSync(tar, { level: 9 }));
writeFileSync(join(folder, "previous.json"), `${JSON.stringify({ commit }, undefined, 2)}\n`);
process.stdout.write(`froze ${commit}\n`);
