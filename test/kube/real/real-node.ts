import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expectDone, run } from "../support/step.ts";
import type { WorldOptions } from "../support/world.ts";
import { ClusterDns } from "./cluster-dns.ts";
import { writeSandboxImage } from "./sandbox-image.ts";

const controlPlane = fileURLToPath(new URL("../control-plane/", import.meta.url));
/** Of the bridge that joins the pods: the node itself, to them. */
const nodeAddress = "10.88.0.1";
const upSeconds = 180;

/** Flags of an API server that pods reach. */
export const apiServerForPods = `--bind-address=0.0.0.0 --advertise-address=${nodeAddress}`;

/** One node of a cluster: a real kubelet, containerd and runc, and DNS for its pods. */
export class RealNode implements AsyncDisposable {
  readonly #options: WorldOptions;
  readonly #opened: AsyncDisposableStack;

  private constructor(options: WorldOptions, opened: AsyncDisposableStack) {
    this.#options = options;
    this.#opened = opened;
  }

  /** @param image archive of the image that pods will name. @throws {Error} with the log of what did not start */
  static async open(options: WorldOptions, image: string): Promise<RealNode> {
    const { folder, binaries, hostsFile } = options;
    const sandboxTar = join(folder, "sandbox.tar");
    const sandbox = await writeSandboxImage(join(binaries, "runtime/bin/busybox"), sandboxTar);
    await using opening = new AsyncDisposableStack();
    const env = environmentOf(options);
    opening.defer(async () => {
      await run(`${controlPlane}node-down.sh`, [], { env });
    });
    await expectDone(run(`${controlPlane}node-up.sh`, [sandbox, sandboxTar, image], { env, seconds: upSeconds }));
    opening.use(await ClusterDns.open(nodeAddress, hostsFile));
    return new RealNode(options, opening.move());
  }

  /** What containerd lists of its images: name, type, digest and more, a line each. */
  images(): Promise<string> {
    return readFile(join(this.#options.folder, "control/node-1/images"), "utf8");
  }

  /** Numbers of the processes in the control groups of a pod, that of its sandbox too. */
  async processesOf(uid: string): Promise<readonly number[]> {
    const ids = (await readdir("/proc")).map(Number).filter((id) => !Number.isNaN(id));
    const groups = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cgroup`, "utf8").catch(() => "")));
    return ids.filter((_, at) => groups[at]?.includes(`pod${uid}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

function environmentOf({ folder, binaries }: WorldOptions): Readonly<Record<string, string>> {
  return { KUBE_BIN: binaries, KUBE_STATE: `${folder}/control` };
}
