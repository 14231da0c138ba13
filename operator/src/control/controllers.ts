import { type Clock, type Logger, type Random, SaturnError, type Timers } from "@saturnmq/kit";
import type { ApiClient } from "../kube/api-client.ts";
import { isApiError } from "../kube/api-error.ts";
import { Informer } from "../kube/informer.ts";
import { type KindName, type KubeObject, pathOf, resources } from "../kube/objects.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { setLabel } from "../model/naming.ts";
import { reconcileBroker } from "./broker-controller.ts";
import type { Control, CustomResource } from "./control.ts";
import { consumerGroups, topics } from "./declared.ts";
import { type Declared, reconcileDeclared } from "./declared-controller.ts";
import { reconcileNameServer } from "./name-server-controller.ts";

export type ControllersOptions = {
  readonly client: ApiClient;
  readonly control: Control;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly workers: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
};

const resyncMs = 600_000;
const ofSets = "app.kubernetes.io/managed-by=saturnmq-operator";
/** Told of longer ago than the API server sends bookmarks: the connection is dead. */
const staleMs = 180_000;

type Reconcile = (control: Control, namespace: string, name: string) => Promise<number | undefined>;

/** Watches custom resources and their children, and has each looked at whenever something about it may have changed. */
export class Controllers {
  readonly #options: ControllersOptions;
  readonly #informers: Informer<KubeObject>[] = [];
  readonly #known = new Map<KindName, Informer<KubeObject>[]>();
  readonly #queues = new Map<KindName, WorkQueue>();
  /** Of each declaration, what was last wanted of it. */
  readonly #wanted = new Map<string, string>();
  #steps = 0;
  #failures = 0;

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#queues.set("NameServer", this.#queue("NameServer", reconcileNameServer));
    this.#queues.set("Broker", this.#queue("Broker", reconcileBroker));
    this.#queues.set("Topic", this.#queue("Topic", this.#declared(topics)));
    this.#queues.set("ConsumerGroup", this.#queue("ConsumerGroup", this.#declared(consumerGroups)));
    const namespaces = options.namespaces.length === 0 ? [undefined] : options.namespaces;
    for (const namespace of namespaces) {
      for (const kind of ["NameServer", "Broker"] as const)
        this.#watch(kind, namespace, ({ metadata }) => this.#add(kind, metadata.namespace, metadata.name));
      for (const kind of ["Topic", "ConsumerGroup"] as const)
        this.#watch(kind, namespace, (object) => this.#declarationChanged(kind, object));
      for (const kind of ["Pod", "PersistentVolumeClaim"] as const)
        this.#watch(kind, namespace, (child) => this.#childChanged(child), ofSets);
    }
  }

  /** Resolves when everything is known; from then on objects are worked on. */
  async start(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.start()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.close()));
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  /** Why nothing can be relied on; empty when all is well. */
  notReady(): readonly string[] {
    return this.#informers.some((informer) => informer.staleMs > staleMs)
      ? ["the API server has not been heard for long"]
      : [];
  }

  gauges(): Readonly<Record<string, number>> {
    return {
      saturnmq_operator_reconciles: this.#steps,
      saturnmq_operator_reconcile_failures: this.#failures,
      saturnmq_operator_objects: this.#informers.reduce((sum, informer) => sum + informer.list().length, 0),
      saturnmq_operator_api_silence_ms: Math.max(0, ...this.#informers.map((informer) => Math.round(informer.staleMs))),
    };
  }

  #watch(
    kind: KindName,
    namespace: string | undefined,
    changed: (object: KubeObject) => void,
    labelSelector?: string,
  ): void {
    const { client, clock, timers, random, logger } = this.#options;
    const common = {
      client,
      clock,
      timers,
      random,
      logger,
      resyncMs,
      changed,
      path: pathOf(resources[kind], namespace),
    };
    const informer = new Informer(labelSelector === undefined ? common : { ...common, labelSelector });
    this.#informers.push(informer);
    this.#known.set(kind, [...(this.#known.get(kind) ?? []), informer]);
  }

  #declared<Found extends { readonly name: string }>(declared: Declared<Found>): Reconcile {
    return async (control, namespace, name) => {
      const resource = this.#watched(declared.kind, namespace, name);
      if (resource === undefined) return undefined;
      const all = this.#known.get(declared.kind)?.flatMap((informer) => informer.list()) ?? [];
      const rivals = all.filter(
        ({ metadata }) => metadata.namespace === namespace,
      ) as unknown as readonly CustomResource[];
      const watched = (kind: KindName, of: string) => this.#watched(kind, namespace, of) as CustomResource | undefined;
      return reconcileDeclared(control, declared, { resource: resource as CustomResource, rivals, watched });
    };
  }

  #watched(kind: KindName, namespace: string, name: string): KubeObject | undefined {
    const found = this.#known.get(kind)?.map((informer) => informer.get(namespace, name));
    return found?.find((object) => object !== undefined);
  }

  /** A status that was written, or a finalizer, is no reason to look again: a thousand topics would be looked at twice each. */
  #declarationChanged(kind: KindName, { metadata }: KubeObject): void {
    const { namespace, name, uid, generation = 0, deletionTimestamp = "" } = metadata;
    const key = `${kind} ${namespace}/${name}`;
    const wanted = `${uid} ${generation} ${deletionTimestamp}`;
    if (this.#watched(kind, namespace, name) === undefined) this.#wanted.delete(key);
    else if (this.#wanted.get(key) !== wanted) {
      this.#wanted.set(key, wanted);
      this.#add(kind, namespace, name);
    }
  }

  /** A pod or claim belongs to one set; whose it is stands in its labels, also when the set is not its owner. */
  #childChanged({ metadata: { namespace, labels } }: KubeObject): void {
    const set = labels?.[setLabel];
    if (set === undefined) return;
    const kind = labels?.["app.kubernetes.io/component"] === "nameserver" ? "NameServer" : "Broker";
    this.#add(kind, namespace, set);
  }

  #add(kind: KindName, namespace: string, name: string): void {
    this.#queues.get(kind)?.add(`${namespace}/${name}`);
  }

  #queue(kind: KindName, reconcile: Reconcile): WorkQueue {
    const { control, timers, random, workers, logger } = this.#options;
    return new WorkQueue({
      ...{ timers, random, workers },
      work: async (key) => {
        this.#steps += 1;
        const [namespace = "", name = ""] = key.split("/");
        return reconcile(control, namespace, name);
      },
      failed: (key, error) => {
        this.#failures += 1;
        const passing = isApiError(error, "conflict", "unavailable") || error instanceof SaturnError;
        if (passing) logger.warn({ kind, key, err: error }, "an object could not be looked after now");
        else logger.error({ kind, key, err: error }, "an object could not be looked after");
      },
    });
  }
}
