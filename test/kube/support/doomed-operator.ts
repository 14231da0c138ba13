import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { isApiError } from "@saturnmq/operator/kube";
import { ApiProxy } from "./api-proxy.ts";
import { operatorNamespace } from "./audited.ts";
import { type Running, runProcess } from "./container.ts";
import type { World } from "./world.ts";

const apiServerPort = 16_443;
const proxyPort = 16_444;
/** The chart names them by the release. */
const serviceAccount = "saturnmq-operator";
const leaseName = "saturnmq";

/** A write of an operator, without those of its Lease, which come with the time: `PATCH /api/v1/…`. */
const isCounted = (write: string): boolean => !write.includes("/leases");

/** An operator as a process that is killed right after one of its writes, before it learns that the write was done, and then started anew. */
export class DoomedOperator {
  readonly #world: World;
  readonly #namespace: string;
  readonly #kubeconfig: string;
  #proxy: ApiProxy | undefined;
  #running: Running | undefined;
  /** How the one that runs now ended although nobody killed it. */
  #ended: string | undefined;
  /** After how many writes it dies; never when that many do not come. */
  #killAt = 0;
  #writes = 0;
  /** The write after which it died. */
  #killedAfter: string | undefined;

  /** @param namespace that it looks after */
  constructor(world: World, namespace: string) {
    this.#world = world;
    this.#namespace = namespace;
    this.#kubeconfig = `${world.machine.folder}/operator.conf`;
  }

  /** Installs what it needs by the chart (definitions, an account, its rights), where no node takes its pod, and starts the process. */
  async start(): Promise<void> {
    await this.#world.shell(
      `helm install saturnmq helm/saturnmq --namespace ${operatorNamespace} --create-namespace \\
        --set nodeSelector.nowhere=yes --set 'watchNamespaces={${this.#namespace}}'`,
    );
    const { stdout } = await this.#world.shell(
      `kubectl create token ${serviceAccount} --namespace ${operatorNamespace} --duration 24h`,
    );
    const config = {
      "current-context": "it",
      contexts: [{ name: "it", context: { cluster: "it", user: "it", namespace: operatorNamespace } }],
      clusters: [
        {
          name: "it",
          cluster: { server: `https://127.0.0.1:${proxyPort}`, "certificate-authority": `${this.#world.pki}/ca.crt` },
        },
      ],
      users: [{ name: "it", user: { token: stdout.trim() } }],
    };
    writeFileSync(this.#kubeconfig, JSON.stringify(config), { mode: 0o600 });
    this.#proxy = await ApiProxy.open({
      ...{ pki: this.#world.pki, port: proxyPort, apiServerPort },
      written: (write) => this.#written(write),
    });
    this.#spawn();
  }

  /** From now on it dies after its `nth` write; 0: never. */
  killAfter(nth: number): void {
    this.#killAt = nth;
    this.#writes = 0;
    this.#killedAfter = undefined;
  }

  /** The write after which it died since `killAfter`; `undefined` while it lives. */
  get killedAfter(): string | undefined {
    return this.#killedAfter;
  }

  /** Writes since `killAfter`, of those that came after it too. */
  get writes(): number {
    return this.#writes;
  }

  /** @throws {Error} with what it said, when it ended although nobody killed it */
  check(): void {
    if (this.#ended === undefined) return;
    throw new Error(`the operator ended with ${this.#ended}: ${readFileSync(this.#log, "utf8").slice(-2_000)}`);
  }

  close(): void {
    this.#running?.signal("SIGKILL");
    this.#proxy?.close();
  }

  get #log(): string {
    return `${this.#world.machine.folder}/operator.log`;
  }

  #spawn(): void {
    const env = {
      KUBECONFIG: this.#kubeconfig,
      SATURNMQ_NAMESPACES: JSON.stringify([this.#namespace]),
      SATURNMQ_LEASE_NAMESPACE: operatorNamespace,
      SATURNMQ_LEASE_NAME: leaseName,
      ...{ SATURNMQ_HOST: "127.0.0.1", SATURNMQ_HTTP_PORT: "0" },
    };
    const running = runProcess({ command: ["saturnmq", "operator"], env, log: this.#log });
    this.#running = running;
    void running.ended.then(({ how }) => {
      if (this.#running === running) this.#ended = how;
    });
  }

  #written(write: string): boolean {
    if (!isCounted(write)) return false;
    this.#writes += 1;
    if (this.#writes !== this.#killAt) return false;
    this.#killedAfter = write;
    void this.#dieAndRise();
    return true;
  }

  async #dieAndRise(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.signal("SIGKILL");
    await running.ended;
    appendFileSync(this.#log, `killed after ${this.#killedAfter ?? ""}\n`);
    await this.#endLease();
    this.#spawn();
  }

  /** As if it had run out: the next one need not wait for that. */
  async #endLease(): Promise<void> {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${operatorNamespace}/leases/${leaseName}`;
    await this.#world.client.call("DELETE", path, { body: {} }).catch((error: unknown) => {
      if (!isApiError(error, "notFound")) throw error;
    });
  }
}
