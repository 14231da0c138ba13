import { mkdirSync } from "node:fs";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { isApiError } from "@saturnmq/operator/kube";
import type { Run, Running } from "./container.ts";
import { type Machine, now } from "./machine.ts";
import { type Container, type PodObject, type Probe, portOf } from "./pod-object.ts";
import { writeProjected } from "./projected-volume.ts";
import { folderOfClaim, writeConfigMap } from "./volumes.ts";

const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";
const backoffMs = 500;

/**
 * A pod of one container. There is no file system of its own, so paths below a mount are replaced by the folders that stand for it; and no network of its
 * own, so it is told to listen on the pod's address.
 */
export class PodProcess {
  readonly #machine: Machine;
  readonly #runContainer: Run;
  readonly ip: string;
  pod: PodObject;
  #child: Running | undefined;
  #ready = false;
  #started = false;
  #restarts = 0;
  #stopping = false;
  #gone = false;
  /** How a container that is not started again ended. */
  #exitCode: number | undefined;
  readonly #startTime = now();
  #reported = "";
  #since: Record<string, { readonly status: string; readonly at: string }> = {};

  constructor(machine: Machine, runContainer: Run, pod: PodObject, ip: string) {
    this.#machine = machine;
    this.#runContainer = runContainer;
    this.pod = pod;
    this.ip = ip;
  }

  get #name(): string {
    return this.pod.metadata.name;
  }

  /** Of its process, if it has one of its own and runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    await this.#report();
    for (let failures = 0; !this.#stopping && !this.#gone; failures += 1) {
      try {
        const folders = await this.#folders();
        void this.#run(folders);
        void this.#probe();
        return;
      } catch (error) {
        if (failures % 20 === 0) this.#machine.note(`${this.#name} cannot start yet: ${String(error)}`);
        await sleep(200);
      }
    }
  }

  async #folders(): Promise<Map<string, string>> {
    const { namespace, uid } = this.pod.metadata;
    const folders = new Map<string, string>();
    for (const { name, persistentVolumeClaim, configMap, projected } of this.pod.spec.volumes ?? []) {
      const folder =
        persistentVolumeClaim === undefined
          ? `${this.#machine.folder}/pods/${uid}/${name}`
          : await folderOfClaim(this.#machine, namespace, persistentVolumeClaim.claimName);
      mkdirSync(folder, { recursive: true });
      if (configMap !== undefined) await writeConfigMap(this.#machine, namespace, configMap.name, folder);
      if (projected !== undefined) await writeProjected(this.#machine, this.pod, projected.sources, folder);
      folders.set(name, folder);
    }
    return folders;
  }

  async #run(folders: ReadonlyMap<string, string>): Promise<void> {
    const [container] = this.pod.spec.containers;
    if (container === undefined) throw new Error(`${this.#name} has no container`);
    while (!this.#isOver()) {
      const exitCode = await this.#spawn(container, folders);
      this.#ready = false;
      this.#started = false;
      if (this.#isOver()) break;
      if (this.pod.spec.restartPolicy === "Never") {
        this.#exitCode = exitCode;
        await this.#report();
        return;
      }
      this.#restarts += 1;
      await this.#report();
      await sleep(Math.min(backoffMs * 2 ** this.#restarts, 10_000));
    }
    if (!this.#gone) await this.#confirmDeletion();
  }

  #isOver(): boolean {
    return this.#stopping || this.#gone;
  }

  /** @returns its exit code, when it has ended */
  async #spawn(container: Container, folders: ReadonlyMap<string, string>): Promise<number> {
    const place = (text: string): string => {
      const mount = container.volumeMounts?.find(
        ({ mountPath }) => text === mountPath || text.startsWith(`${mountPath}/`),
      );
      return mount === undefined ? text : (folders.get(mount.name) ?? "") + text.slice(mount.mountPath.length);
    };
    const env: Record<string, string> = { SATURNMQ_HOST: this.ip };
    for (const { name, value, valueFrom } of container.env ?? [])
      env[name] = valueFrom === undefined ? place(value ?? "") : this.#field(valueFrom.fieldRef.fieldPath);
    if (place(tokenPath) !== tokenPath)
      Object.assign(env, this.#machine.apiServer, { SATURNMQ_TOKEN_FOLDER: place(tokenPath) });
    const log = `${this.#machine.folder}/${this.#name}.log`;
    const child = this.#runContainer({ command: container.command.map(place), env, log });
    this.#child = child;
    const { exitCode, how } = await child.ended;
    this.#machine.note(`${this.#name} ended: ${how}`);
    this.#child = undefined;
    return exitCode;
  }

  #field(path: string): string {
    const label = /^metadata\.labels\['(.+)'\]$/.exec(path)?.[1];
    if (label !== undefined) return this.pod.metadata.labels?.[label] ?? "";
    return path === "status.podIP" ? this.ip : this.#name;
  }

  /** Asks the container how it is: alive first, then ready. */
  async #probe(): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = this.pod.spec.containers[0] ?? {};
    let heardMs = performance.now();
    let readyMs = Number.NEGATIVE_INFINITY;
    while (!this.#gone && !this.#stopping && this.#exitCode === undefined) {
      if (!this.#started) readyMs = Number.NEGATIVE_INFINITY;
      // A container that is started anew has all the time that its probe gives it.
      if (this.#child === undefined) heardMs = performance.now();
      if (this.#child !== undefined) {
        this.#started ||= startupProbe === undefined || (await this.#ask(startupProbe));
        if (!this.#started || livenessProbe === undefined || (await this.#ask(livenessProbe)))
          heardMs = performance.now();
        else if (performance.now() - heardMs > livenessProbe.failureThreshold * livenessProbe.periodSeconds * 1_000)
          this.#child.signal("SIGTERM");
        if (this.#started) {
          if (readinessProbe === undefined || (await this.#ask(readinessProbe))) readyMs = performance.now();
          const { failureThreshold = 1, periodSeconds = 1 } = readinessProbe ?? {};
          this.#ready = performance.now() - readyMs < failureThreshold * periodSeconds * 1_000;
        }
      }
      await this.#report();
      await sleep(250);
    }
  }

  #ask({ httpGet: { path, port: named }, timeoutSeconds }: Probe): Promise<boolean> {
    const port = portOf(this.pod, named);
    return new Promise((resolve) => {
      const request = get({ host: this.ip, port, path, agent: false, timeout: timeoutSeconds * 1_000 }, (response) => {
        response.resume();
        resolve((response.statusCode ?? 500) < 400);
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(false));
    });
  }

  async #report(): Promise<void> {
    const ready = this.#ready && this.#child !== undefined && !this.#stopping;
    const status = this.#status(ready);
    const told = JSON.stringify([ready, this.#restarts, this.#started, status.phase]);
    if (told === this.#reported || this.#gone) return;
    const { namespace, name, uid } = this.pod.metadata;
    try {
      const contentType = "application/strategic-merge-patch+json";
      await this.#machine.client.call("PATCH", `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
        body: { metadata: { uid }, status },
        contentType,
      });
      this.#reported = told;
    } catch (error) {
      if (!isApiError(error, "notFound", "conflict")) this.#machine.note(`${name}: status: ${String(error)}`);
    }
  }

  #status(ready: boolean) {
    const values = { Initialized: true, PodReadyToStartContainers: true, ContainersReady: ready, Ready: ready };
    const conditions = Object.entries(values).map(([type, value]) => {
      const status = value ? "True" : "False";
      const known = this.#since[type]?.status === status ? this.#since[type] : { status, at: now() };
      this.#since = { ...this.#since, [type]: known };
      return { type, status, lastTransitionTime: known.at };
    });
    const [container] = this.pod.spec.containers;
    const running =
      this.#exitCode === undefined
        ? stateOf(this.#child)
        : { terminated: { exitCode: this.#exitCode, finishedAt: now() }, waiting: null, running: null };
    const containerStatuses = [
      {
        name: container?.name,
        image: container?.image,
        imageID: "",
        ready,
        started: this.#started,
        restartCount: this.#restarts,
        state: running,
      },
    ];
    const addresses = {
      podIP: this.ip,
      podIPs: [{ ip: this.ip }],
      hostIP: "127.0.0.1",
      hostIPs: [{ ip: "127.0.0.1" }],
    };
    return {
      ...{ phase: this.#phase(), startTime: this.#startTime },
      conditions,
      containerStatuses,
      ...addresses,
    };
  }

  #phase(): string {
    if (this.#exitCode !== undefined) return this.#exitCode === 0 ? "Succeeded" : "Failed";
    return this.#child === undefined && this.#restarts === 0 ? "Pending" : "Running";
  }

  /** Ends it as a kubelet does: SIGTERM, and SIGKILL after the grace period. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#ready = false;
    void this.#report();
    const child = this.#child;
    if (child === undefined) {
      void this.#confirmDeletion();
      return;
    }
    child.signal("SIGTERM");
    setTimeout(() => child.signal("SIGKILL"), (this.pod.metadata.deletionGracePeriodSeconds ?? 30) * 1_000).unref();
  }

  /** Asks until it is gone: the API server may be away just now. */
  async #confirmDeletion(): Promise<void> {
    const { namespace, name, uid } = this.pod.metadata;
    const body = { gracePeriodSeconds: 0, preconditions: { uid } };
    for (let isThere = true; isThere && !this.#gone; ) {
      try {
        await this.#machine.client.call("DELETE", `/api/v1/namespaces/${namespace}/pods/${name}`, { body });
        isThere = false;
      } catch (error) {
        isThere = !isApiError(error, "notFound", "conflict");
        if (isThere) this.#machine.note(`${name}: deletion: ${String(error)}`);
        if (isThere) await sleep(500);
      }
    }
  }

  /** At once and without a word, as when its node is gone. */
  kill(): void {
    this.#gone = true;
    this.#child?.signal("SIGKILL");
  }
}

function stateOf(child: Running | undefined): object {
  return child === undefined
    ? { waiting: { reason: "ContainerCreating" }, running: null }
    : { running: { startedAt: now() }, waiting: null };
}
