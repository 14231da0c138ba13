import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ApiClient, loadCredentials } from "@saturnmq/operator/kube";
import { operatorNamespace } from "./audited.ts";
import { ClusterNames } from "./cluster-names.ts";
import type { Run } from "./container.ts";
import { type Machine, openMachine } from "./machine.ts";
import { type NodePlan, Nodes } from "./nodes.ts";
import { expectDone, type Ran, run } from "./step.ts";
import { Volumes } from "./volumes.ts";

/** What a program of this folder is started with. */
export type WorldOptions = {
  /** Of everything that the run writes. */
  readonly folder: string;
  /** Where the control plane was built. */
  readonly binaries: string;
  /** Bound over /etc/hosts. */
  readonly hostsFile: string;
  readonly nodes?: readonly NodePlan[];
  /** Further flags of the API server and of the controllers. */
  readonly apiServerArgs?: string;
  readonly controllerArgs?: string;
  /** Where pods find the API server, when that is another port than its own. */
  readonly podsApiPort?: number;
  /** How containers run: as processes, where nothing else is said. */
  readonly runContainer?: Run;
};

/** Those of the command line: a folder, the folder of binaries, the hosts file. */
export function worldOptions(): WorldOptions {
  const [, , folder = "", binaries = "", hostsFile = ""] = process.argv;
  return { folder, binaries, hostsFile };
}

const root = fileURLToPath(new URL("../../../", import.meta.url));
const controlPlane = fileURLToPath(new URL("../control-plane/", import.meta.url));
const scriptSeconds = 240;
const zones = ["a", "b", "c"].map((zone) => ({ name: `node-${zone}`, zone }));

/** A Kubernetes cluster: a real API server, controllers and scheduler, and nodes whose pods are processes of this machine. */
export class World implements AsyncDisposable {
  readonly client: ApiClient;
  readonly machine: Machine;
  readonly nodes: Nodes;
  readonly #options: WorldOptions;
  readonly #opened: AsyncDisposableStack;

  private constructor(
    parts: Pick<World, "client" | "machine" | "nodes">,
    options: WorldOptions,
    opened: AsyncDisposableStack,
  ) {
    this.client = parts.client;
    this.machine = parts.machine;
    this.nodes = parts.nodes;
    this.#options = options;
    this.#opened = opened;
  }

  /** Starts it; seconds, when the machine is not busy. @throws {Error} with the log of what did not start */
  static async open(options: WorldOptions): Promise<World> {
    const { folder, hostsFile } = options;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/audit-policy.json`, JSON.stringify(auditPolicy));
    await using opening = new AsyncDisposableStack();
    opening.defer(async () => {
      await run(`${controlPlane}down.sh`, [], { env: environment(options) });
    });
    await startControlPlane(options);
    const client = opening.use(new ApiClient(loadCredentials({ KUBECONFIG: kubeconfigOf(options) })));
    const machine = openMachine(client, folder, hostsFile, options.podsApiPort);
    const nodes = new Nodes(machine, options.nodes ?? zones, options.runContainer);
    const volumes = new Volumes(machine);
    const names = new ClusterNames(machine);
    opening.defer(() => names.close());
    opening.defer(() => volumes.close());
    opening.defer(() => nodes.close());
    await Promise.all([nodes.start(), volumes.start(), names.start()]);
    return new World({ client, machine, nodes }, options, opening.move());
  }

  /** Names the API server and its administrator. */
  get kubeconfig(): string {
    return kubeconfigOf(this.#options);
  }

  /** Folder of the control plane's certificates and keys. */
  get pki(): string {
    return `${this.#options.folder}/control/pki`;
  }

  /**
   * Runs lines of a shell in the folder of the repository, as somebody would who has kubectl, helm and node and is the administrator.
   *
   * @throws {Error} with what it said, when a line fails
   */
  async shell(script: string, input = ""): Promise<Ran> {
    const { folder, binaries } = this.#options;
    const PATH = `${binaries}:${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
    const env = { PATH, KUBECONFIG: kubeconfigOf(this.#options), HOME: folder };
    // Started from a socket, as here, it would read the machine's own settings first.
    return expectDone(
      run("bash", ["--norc", "-euc", `cd '${root}'\n${script}`], { env, input, seconds: scriptSeconds }),
    );
  }

  /** Applies an object by kubectl. */
  async apply(object: object, options = ""): Promise<void> {
    await this.shell(`kubectl apply ${options} -f -`, JSON.stringify(object));
  }

  /** Kills the API server. Whatever needs it finds nobody there until `startApiServer`. */
  killApiServer(): void {
    const { folder } = this.#options;
    process.kill(Number(readFileSync(`${folder}/control/run/kube-apiserver.pid`, "utf8")), "SIGKILL");
  }

  /** Starts what was killed of the control plane. */
  async startApiServer(): Promise<void> {
    await startControlPlane(this.#options);
  }

  /** What the operator asked of the API server, call by call. */
  get audit(): string {
    return readFileSync(auditLog(this.#options), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

/** Calls of the operator alone. */
const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata", userGroups: [`system:serviceaccounts:${operatorNamespace}`] }, { level: "None" }],
};

function auditLog({ folder }: WorldOptions): string {
  return `${folder}/audit.log`;
}

function environment(options: WorldOptions): Readonly<Record<string, string>> {
  const { folder, binaries, apiServerArgs = "", controllerArgs = "" } = options;
  const audit = `--audit-policy-file=${folder}/audit-policy.json --audit-log-path=${auditLog(options)}`;
  return {
    ...{ KUBE_BIN: binaries, KUBE_STATE: `${folder}/control`, SERVICE_RANGE: "10.96.0.0/16" },
    ...{ APISERVER_ARGS: `${audit} ${apiServerArgs}`, KCM_ARGS: controllerArgs },
  };
}

async function startControlPlane(options: WorldOptions): Promise<void> {
  await expectDone(run(`${controlPlane}up.sh`, [], { env: environment(options), seconds: 420 }));
}

function kubeconfigOf({ folder }: WorldOptions): string {
  return `${folder}/control/pki/admin.conf`;
}
