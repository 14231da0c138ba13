import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { tarOf } from "./tar.ts";
import { file, folder, link } from "./tree.ts";

const long = `${"deep/".repeat(25)}${"n".repeat(90)}.txt`;
const entries = [
  file("bin/run", "#!/bin/true\n", 0o755),
  link("bin/alias", "run"),
  folder("var/data", 0o750, 10_001),
  file(long, "found"),
  file("empty", ""),
];

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "saturnmq-tar-"));
});
afterEach(() => rmSync(place, { recursive: true }));

test("tar itself finds what was put in: content, modes, links, long paths", () => {
  writeFileSync(join(place, "a.tar"), tarOf(entries));
  execFileSync("tar", ["-xpf", "a.tar", "--no-same-owner"], { cwd: place });
  expect(readFileSync(join(place, "bin/run"), "utf8")).toBe("#!/bin/true\n");
  expect(lstatSync(join(place, "bin/run")).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(place, "bin/alias"))).toBe("run");
  expect(lstatSync(join(place, "var/data")).mode & 0o777).toBe(0o750);
  expect(readFileSync(join(place, long), "utf8")).toBe("found");
  expect(readFileSync(join(place, "empty"), "utf8")).toBe("");
});

test("owners are numbers, times are none, folders come before what is in them", () => {
  writeFileSync(join(place, "a.tar"), tarOf(entries));
  const listed = execFileSync("tar", ["-tvf", "a.tar", "--numeric-owner", "--utc"], { cwd: place, encoding: "utf8" });
  const lines = listed.trimEnd().split("\n");
  expect(lines.slice(0, 3).map((line) => line.replaceAll(/ +/g, " "))).toEqual([
    "drwxr-xr-x 0/0 0 1970-01-01 00:00 bin/",
    "lrwxrwxrwx 0/0 0 1970-01-01 00:00 bin/alias -> run",
    "-rwxr-xr-x 0/0 12 1970-01-01 00:00 bin/run",
  ]);
  expect(lines.at(-1)).toMatch(/^drwxr-x--- 10001\/10001 .* var\/data\/$/);
});

test("the order in which entries are given changes nothing", () => {
  expect(tarOf([...entries].reverse())).toEqual(tarOf(entries));
});

test("a name that no header holds is refused", () => {
  expect(() => tarOf([file("n".repeat(101), "")])).toThrow(/fits in a tar header/);
});
