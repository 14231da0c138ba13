import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

// Goal: what crds/ and the operator promise, on a real API server with its controllers and scheduler. Method: one life of a cluster, in namespaces of its
// own, whose pods are the very processes that images would start; each check of it is a test here.

const program = fileURLToPath(new URL("./cluster.program.ts", import.meta.url));
const version =
  /k8s\.io\/kubernetes (v[\d.]+)/.exec(
    readFileSync(new URL("./control-plane/kube/go.mod", import.meta.url), "utf8"),
  )?.[1] ?? "";
const binaries = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "saturnmq", `kube-${version}`);
const lifeMs = 900_000;

/** Why this machine cannot run it; `undefined` when it can. */
function obstacle(): string | undefined {
  if (!["etcd", "kube"].every((name) => existsSync(join(binaries, name))))
    return "the control plane is not built: make kube-test builds it";
  for (const tool of ["unshare", "ip", "setpriv", "openssl", "curl"])
    if (spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0) return `${tool} is not installed`;
  return spawnSync("unshare", ["-rnm", "true"]).status === 0 ? undefined : "user namespaces are not allowed";
}

type Check = {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly failure?: string;
  readonly detail?: unknown;
};

function live(): readonly Check[] {
  const folder = mkdtempSync(join(tmpdir(), "saturnmq-kube-"));
  const hosts = join(folder, "hosts");
  writeFileSync(hosts, "127.0.0.1 localhost\n");
  const steps = [
    "ip link set lo up",
    "ip route add local 10.64.0.0/10 dev lo",
    'mount --bind "$4" /etc/hosts',
    'exec "$1" "$2" "$3" "$5" "$4"',
  ];
  try {
    const output = execFileSync(
      "unshare",
      ["-rnm", "sh", "-c", steps.join(" && "), "sh", process.execPath, program, folder, hosts, binaries],
      { timeout: lifeMs, encoding: "utf8" },
    );
    return output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Check);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const why = obstacle();

if (why !== undefined) test.skip(`a cluster on a real API server (skipped: ${why})`, () => undefined);
else
  describe("a cluster on a real API server", () => {
    test(
      "lives as its custom resources say",
      () => {
        const checks = live();
        expect(checks.filter(({ ok }) => !ok)).toEqual([]);
        expect(checks.length).toBeGreaterThanOrEqual(18);
      },
      lifeMs,
    );
  });
