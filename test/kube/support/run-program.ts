import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import type { Check } from "./check.ts";

const version =
  /k8s\.io\/kubernetes (v[\d.]+)/.exec(
    readFileSync(new URL("../control-plane/kube/go.mod", import.meta.url), "utf8"),
  )?.[1] ?? "";
const binaries = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "saturnmq", `kube-${version}`);

/** Why this machine cannot run it; `undefined` when it can. */
function obstacle(): string | undefined {
  if (!["etcd", "kube", "helm"].every((name) => existsSync(join(binaries, name))))
    return "the control plane is not built: make kube-test builds it";
  for (const tool of ["unshare", "ip", "setpriv", "openssl", "curl"])
    if (spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0) return `${tool} is not installed`;
  return spawnSync("unshare", ["-rnmpf", "--mount-proc", "true"]).status === 0
    ? undefined
    : "user namespaces are not allowed";
}

/**
 * Runs a program of this folder in namespaces of its own: of users, networks and mounts, with a hosts file and 10.64.0.0/10 for its pods, and of processes,
 * so that nothing outlives it, however it ends.
 */
function checksOf(program: string, timeout: number): readonly Check[] {
  const folder = mkdtempSync(join(tmpdir(), "saturnmq-kube-"));
  const hosts = join(folder, "hosts");
  writeFileSync(hosts, "127.0.0.1 localhost\n");
  const steps = [
    "ip link set lo up",
    "ip route add local 10.64.0.0/10 dev lo",
    'mount --bind "$4" /etc/hosts',
    'exec "$1" "$2" "$3" "$5" "$4"',
  ];
  const path = fileURLToPath(new URL(`../${program}.program.ts`, import.meta.url));
  const args = [
    "-rnmpf",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    steps.join(" && "),
    "sh",
    process.execPath,
    path,
    folder,
    hosts,
    binaries,
  ];
  try {
    const output = execFileSync("unshare", args, { timeout, encoding: "utf8" });
    const lines = output.trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Check);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A test that runs a program and wants each of its checks to hold. @param atLeast checks: one that did not run is no success */
export function testProgram(name: string, program: string, { atLeast, timeoutMs, nightly = false }: Bounds): void {
  const why = nightly && process.env["SATURNMQ_NIGHTLY"] !== "1" ? "it takes long: make kube-long" : obstacle();
  if (why !== undefined) return test.skip(`${name} (skipped: ${why})`, () => undefined);
  test(
    name,
    () => {
      const checks = checksOf(program, timeoutMs);
      expect(checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(checks.length).toBeGreaterThanOrEqual(atLeast);
    },
    timeoutMs,
  );
}

type Bounds = {
  readonly atLeast: number;
  readonly timeoutMs: number;
  /** Only with SATURNMQ_NIGHTLY=1. */
  readonly nightly?: boolean;
};
