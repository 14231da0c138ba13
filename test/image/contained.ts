import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where the image has its data. */
const dataFolder = "/var/lib/saturnmq";
const userId = 10_001;

/**
 * What a container runtime does for a restricted pod, in namespaces of our own and without root: the root is read-only but for a data folder, the user is the image's
 * and has no capability. $1 the root, $2 the data folder, then the command.
 */
const enter = `
root=$1 data=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind "$data" "$root${dataFolder}"
mount -o remount,bind,ro "$root"
exec env -i PATH=/usr/bin SATURNMQ_DATA_DIR=${dataFolder} \
  unshare --user --map-user=${userId} --map-group=${userId} --root="$root" --wd=${dataFolder} "$@"
`;

/** Why this machine cannot run processes so; `undefined` when it can. */
export function noContainers(): string | undefined {
  const { status } = spawnSync("unshare", ["-Urm", "unshare", "--user", `--map-user=${userId}`, "true"]);
  return status === 0 ? undefined : "user namespaces are not allowed, or unshare is too old for --map-user";
}

const commandTimeoutMs = 60_000;

export type Ran = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

type Index = { readonly manifests: readonly { readonly digest: string }[] };
type Manifest = { readonly layers: readonly { readonly digest: string }[] };

/** An image unpacked into an empty root, and the processes in it. Disposing ends them. */
export class Contained implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "saturnmq-image-"));
  readonly root = join(this.#folder, "root");
  readonly #children: ChildProcess[] = [];

  /** @param layout folder of an OCI image layout of one image */
  constructor(layout: string) {
    for (const folder of [this.root, this.#data]) mkdirSync(folder);
    const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
    const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as Index;
    const { layers } = JSON.parse(readFileSync(blob(manifests[0]!.digest), "utf8")) as Manifest;
    for (const { digest } of layers) execFileSync("tar", ["-xzf", blob(digest), "-C", this.root]);
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  /** Runs a command of the image to its end. */
  run(command: readonly string[], input = ""): Ran {
    const [program, args] = this.#command(command);
    return spawnSync(program, args, { input, encoding: "utf8", timeout: commandTimeoutMs });
  }

  /** Starts a server of the image; resolves when it says that it is ready. @throws with what it said instead */
  async serve(command: readonly string[]): Promise<ChildProcess> {
    const [program, args] = this.#command(command);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#children.push(child);
    let said = "";
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (/\bready\b/.test(said)) resolve();
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
      child.once("exit", (code) => reject(new Error(`ended with code ${String(code)}\n${said}`)));
    });
    await ready;
    return child;
  }

  #command(command: readonly string[]): [program: string, args: string[]] {
    return ["unshare", ["-Urm", "sh", "-ec", enter, "sh", this.root, this.#data, ...command]];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
