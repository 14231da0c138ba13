// `make verify`: every check that reads and never writes, two at a time. Prints a line a check, and the output of those that fail.
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const atOnce = 2;

/** Longest first, so that the short ones fill the gaps. */
const checks = [
  { name: "lint", args: ["node_modules/eslint/bin/eslint.js", ".", "--max-warnings", "0"] },
  { name: "types", args: ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"] },
  { name: "dead code", args: ["node_modules/knip/bin/knip.js", "--no-progress"] },
  { name: "generated files", args: ["scripts/generate.ts", "--check"] },
  {
    name: "walls",
    args: [
      "node_modules/dependency-cruiser/bin/dependency-cruise.mjs",
      "--config",
      ".dependency-cruiser.cjs",
      ...["packages", "broker", "nameserver", "operator", "cli", "bench", "image", "test", "scripts"],
    ],
  },
  { name: "format", args: ["node_modules/.bin/biome", "check", "."] },
  { name: "lock file", args: ["scripts/check-lock.js"] },
  { name: "links", args: ["scripts/check-links.js"] },
];

/** Runs one check to its end; resolves to whether it holds. */
function run({ name, args }) {
  const startedAt = performance.now();
  const chunks = [];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (error) => chunks.push(Buffer.from(`${error.message}\n`)));
    child.on("close", (code) => {
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
      process.stdout.write(`${code === 0 ? "ok  " : "FAIL"}  ${name}  ${seconds} s\n`);
      if (code !== 0) process.stdout.write(`${Buffer.concat(chunks).toString().trimEnd()}\n`);
      resolve(code === 0);
    });
  });
}

async function drain(queue) {
  let broken = 0;
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    if (!(await run(check))) broken += 1;
  }
  return broken;
}

const queue = [...checks];
const counts = await Promise.all(Array.from({ length: atOnce }, () => drain(queue)));
const broken = counts.reduce((sum, count) => sum + count, 0);
process.stdout.write(`verify: ${checks.length - broken} of ${checks.length} checks hold\n`);
process.exitCode = broken === 0 ? 0 : 1;
