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

/** What a program of this folder is run in: namespaces of its own, and in them addresses that all are this machine's. */
type Surroundings = {
  /** Options of unshare. */
  readonly namespaces: readonly string[];
  readonly addresses: string;
  readonly env: Readonly<Record<string, string>>;
  /** Programs that must have been built. */
  readonly built: readonly string[];
  /** Command that builds them. */
  readonly builtBy: string;
};

/** Of processes, so that nothing outlives the program, however it ends; of networks and mounts. */
const namespaces = ["--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--mount"];

/** For pods that are processes: without root. The addresses are those of pods and Services. */
const withProcesses: Surroundings = {
  ...{ namespaces: ["--map-root-user", ...namespaces], addresses: "10.64.0.0/10", env: {} },
  ...{ built: ["etcd", "kube", "helm"], builtBy: "make kube-test" },
};

/** For a kubelet and containers: as root. The addresses are those of Services, the first of which is the API server's. */
export const withContainers: Surroundings = {
  ...{ namespaces: ["--propagation", "private", ...namespaces], addresses: "10.96.0.0/16", env: { PORT_API: "443" } },
  ...{ built: ["etcd", "kube", "helm", "kubelet", "containerd"], builtBy: "make kube-real" },
};

/** Why this machine cannot run it; `undefined` when it can. */
function obstacle({ namespaces, built, builtBy }: Surroundings): string | undefined {
  if (!built.every((name) => existsSync(join(binaries, name))))
    return `the control plane is not built: ${builtBy} builds it`;
  for (const tool of ["unshare", "ip", "setpriv", "openssl", "curl"])
    if (spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0) return `${tool} is not installed`;
  if (spawnSync("unshare", [...namespaces, "true"]).status === 0) return undefined;
  return namespaces === withContainers.namespaces ? "it needs root" : "user namespaces are not allowed";
}

/** Runs a program of this folder, with a hosts file of its own. */
function checksOf(program: string, surroundings: Surroundings, timeout: number): readonly Check[] {
  const folder = mkdtempSync(join(tmpdir(), "saturnmq-kube-"));
  const hosts = join(folder, "hosts");
  writeFileSync(hosts, "127.0.0.1 localhost\n");
  const steps = [
    "ip link set lo up",
    `ip route add local ${surroundings.addresses} dev lo`,
    'mount --bind "$4" /etc/hosts',
    'exec "$1" "$2" "$3" "$5" "$4"',
  ];
  const path = fileURLToPath(new URL(`../${program}.program.ts`, import.meta.url));
  const command = ["sh", "-c", steps.join(" && "), "sh", process.execPath, path, folder, hosts, binaries];
  const env = { ...process.env, ...surroundings.env };
  try {
    const args = [...surroundings.namespaces, ...command];
    // unshare ignores SIGTERM; what it started dies with it.
    const output = execFileSync("unshare", args, { timeout, killSignal: "SIGKILL", encoding: "utf8", env });
    const lines = output.trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Check);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A test that runs a program and wants each of its checks to hold. @param atLeast checks: one that did not run is no success */
export function testProgram(
  name: string,
  program: string,
  { atLeast, timeoutMs, nightly = false }: Bounds,
  surroundings: Surroundings = withProcesses,
): void {
  const late = nightly && process.env["SATURNMQ_NIGHTLY"] !== "1";
  const why = late ? "it takes long: make kube-long" : obstacle(surroundings);
  if (why !== undefined) return test.skip(`${name} (skipped: ${why})`, () => undefined);
  test(
    name,
    () => {
      const checks = checksOf(program, surroundings, timeoutMs);
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
