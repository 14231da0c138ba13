// Every relative link in a Markdown file leads to a file that is there, and to a heading in it when it names one.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"];
const files = execFileSync("git", listed, { cwd: root, encoding: "utf8" })
  .split("\0")
  .filter((path) => path !== "" && existsSync(join(root, path)));

const withoutCode = (text) =>
  text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]]/g, ""));

/** GitHub's anchors: lower case, punctuation dropped, blanks to hyphens. */
const anchorsOf = (path) =>
  new Set(
    [...readFileSync(join(root, path), "utf8").matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replaceAll(/\s/g, "-"),
    ),
  );

function problemsOf(file) {
  const links = [...withoutCode(readFileSync(join(root, file), "utf8")).matchAll(/\]\(([^)\s]+)\)/g)].map(
    ([, to]) => to,
  );
  return links.flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [path, anchor] = link.split("#");
    const target = path === "" ? file : normalize(join(dirname(file), decodeURIComponent(path)));
    if (!existsSync(join(root, target))) return [`${file}: ${link} leads nowhere`];
    if (anchor === undefined || statSync(join(root, target)).isDirectory()) return [];
    return anchorsOf(target).has(anchor) ? [] : [`${file}: ${link} names a heading that is not there`];
  });
}

const problems = files.flatMap(problemsOf);
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
