import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = `
const wish: string = process.argv[2] ?? "";
if (wish === "exit") process.exitCode = 7;
if (wish === "wait") {
  process.on("SIGTERM", () => { process.exit(9); });
  setInterval(() => undefined, 1_000);
}
console.log(JSON.stringify({ node: Number.parseInt(process.versions.node, 10), args: process.argv.slice(2) }));
if (wish === "die") process.kill(process.pid, "SIGKILL");
`;

/** A checkout in small: the launcher, a main.ts that tells what it got, and the installed Node when `withNode`. Gone at the end. */
class Checkout implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "saturnmq-launcher-"));
  readonly launcher = join(this.#folder, "cli/bin/saturnmq.js");

  constructor({ withNode }: { readonly withNode: boolean }) {
    mkdirSync(join(this.#folder, "cli/src"), { recursive: true });
    writeFileSync(join(this.#folder, "cli/package.json"), '{ "type": "module" }');
    cpSync(join(root, "cli/bin/saturnmq.js"), this.launcher);
    writeFileSync(join(this.#folder, "cli/src/main.ts"), program);
    if (withNode) symlinkSync(join(root, "node_modules"), join(this.#folder, "node_modules"));
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** A Node of this machine too old to run TypeScript: what `node` means for many who install SaturnMQ. */
function oldNode(): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "node"))
    .find((path) => existsSync(path) && Number(execFileSync(path, ["-p", "parseInt(process.versions.node)"])) < 22);
}

const old = oldNode();
const installed = ["x64", "arm64"].some((arch) => existsSync(join(root, `node_modules/node-linux-${arch}/bin/node`)));
const reason =
  old === undefined ? "no Node older than 22 on the PATH" : "no Node among the dependencies of this platform";
const withOldNode = (name: string, body: (node: string) => void | Promise<void>): void => {
  if (old === undefined || !installed) test.skip(`${name} (skipped: ${reason})`, () => undefined);
  else test(name, () => body(old));
};

describe("the launcher", () => {
  test("runs main.ts in its own process under a Node that can, and keeps arguments and exit code", () => {
    using checkout = new Checkout({ withNode: false });
    const { status, stdout } = spawnSync(process.execPath, [checkout.launcher, "exit", "a b"], { encoding: "utf8" });
    expect(JSON.parse(stdout)).toMatchObject({ args: ["exit", "a b"] });
    expect(status).toBe(7);
  });

  withOldNode("becomes the installed Node when an old one started it", (node) => {
    using checkout = new Checkout({ withNode: true });
    const { status, stdout } = spawnSync(node, [checkout.launcher, "exit", "a b"], { encoding: "utf8" });
    expect(JSON.parse(stdout)).toEqual({ node: 24, args: ["exit", "a b"] });
    expect(status).toBe(7);
  });

  withOldNode("passes SIGTERM on and ends with the code that it led to", async (node) => {
    using checkout = new Checkout({ withNode: true });
    const child = spawn(node, [checkout.launcher, "wait"], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([9, null]);
  });

  withOldNode("tells by its exit code that the command was killed", (node) => {
    using checkout = new Checkout({ withNode: true });
    expect(spawnSync(node, [checkout.launcher, "die"]).status).toBe(128 + 9);
  });

  withOldNode("says which Node is needed when there is none", (node) => {
    using checkout = new Checkout({ withNode: false });
    const { status, stderr } = spawnSync(node, [checkout.launcher, "exit"], { encoding: "utf8" });
    expect(stderr).toMatch(/^saturnmq: Node\.js 24\.\d+\.\d+ or newer is needed, this is \d+\.\d+\.\d+\./);
    expect(status).toBe(1);
  });
});
