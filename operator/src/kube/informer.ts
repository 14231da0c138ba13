import { type Clock, type Logger, pause, type Random, type Timers } from "@saturnmq/kit";
import type { ApiClient } from "./api-client.ts";
import { ApiError, isApiError } from "./api-error.ts";
import type { KubeObject } from "./objects.ts";

export type InformerOptions<Type extends KubeObject> = {
  readonly client: ApiClient;
  /** Of the objects: `/apis/saturnmq.io/v1alpha1/brokers`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Told of every object that came, changed or went, and of all of them at each resync. Must only take note: it is called within the stream. */
  readonly changed: (object: Type) => void;
  /** All objects are told of again after so long, milliseconds. */
  readonly resyncMs: number;
};

const pageSize = 500;
const watchSeconds = 300;
/** Bookmarks come about once a minute, so a longer silence is a dead connection. */
const idleMs = 150_000;
const backoffMaxMs = 30_000;

type WatchEvent<Type> = {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Type;
};

/**
 * The objects of one kind as the API server last told of them. Lists, then watches from there; starts again by itself after whatever broke, lists anew
 * when the server has forgotten where the watch stood, and tells of objects that went in the meantime.
 */
export class Informer<Type extends KubeObject> {
  readonly #options: InformerOptions<Type>;
  readonly #objects = new Map<string, Type>();
  readonly #ending = new AbortController();
  readonly #synced = Promise.withResolvers<undefined>();
  #resourceVersion: string | undefined;
  #failures = 0;
  #lastHeardMs = 0;
  #running: Promise<void> | undefined;

  constructor(options: InformerOptions<Type>) {
    this.#options = options;
  }

  /** Begins; resolves when all objects are known for the first time. */
  async start(): Promise<void> {
    this.#running = this.#run();
    this.#resyncLater();
    await this.#synced.promise;
  }

  /** Ends for good. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  get(namespace: string, name: string): Type | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  list(): readonly Type[] {
    return [...this.#objects.values()];
  }

  /** How long ago the server last said anything, milliseconds. */
  get staleMs(): number {
    return this.#options.clock.monoMs() - this.#lastHeardMs;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const { timers, logger, path } = this.#options;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#relist();
        await this.#watch();
        this.#failures = 0;
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        if (isApiError(error, "gone")) this.#resourceVersion = undefined;
        else logger.warn({ err: error, path }, "watching was interrupted, and begins again");
        this.#failures += 1;
        await pause(timers, this.#backoffMs(error), signal);
      }
    }
  }

  #backoffMs(error: unknown): number {
    const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    const most = Math.min(200 * 2 ** (this.#failures - 1), backoffMaxMs);
    return Math.max(asked, most / 2 + this.#options.random.below(most / 2 + 1));
  }

  async #relist(): Promise<void> {
    const { client, path, labelSelector } = this.#options;
    const found = new Map<string, Type>();
    let next: string | undefined;
    let version: string;
    do {
      const query = { limit: pageSize, continue: next, labelSelector };
      const page = await client.call<Page<Type>>("GET", path, { query, signal: this.#ending.signal });
      for (const object of page.items) found.set(keyOf(object), withoutManagers(object));
      version = page.metadata.resourceVersion;
      next = page.metadata.continue === "" ? undefined : page.metadata.continue;
    } while (next !== undefined);
    this.#replace(found);
    this.#resourceVersion = version;
    this.#heard();
    this.#synced.resolve(undefined);
  }

  #replace(found: ReadonlyMap<string, Type>): void {
    const gone = [...this.#objects].filter(([key]) => !found.has(key)).map(([, object]) => object);
    const changed = [...found].filter(([key, object]) => {
      return this.#objects.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion;
    });
    this.#objects.clear();
    for (const [key, object] of found) this.#objects.set(key, object);
    for (const object of [...gone, ...changed.map(([, object]) => object)]) this.#options.changed(object);
  }

  async #watch(): Promise<void> {
    const { client, path, labelSelector } = this.#options;
    const { signal } = this.#ending;
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      timeoutSeconds: watchSeconds,
      resourceVersion: this.#resourceVersion,
      labelSelector,
    };
    for await (const line of client.lines(path, { query, signal, idleMs }))
      this.#take(JSON.parse(line) as WatchEvent<Type>);
  }

  #take({ type, object: told }: WatchEvent<Type>): void {
    this.#heard();
    if (type === "ERROR") {
      const { code = 0, message = "the watch failed" } = told as unknown as {
        readonly code?: number;
        readonly message?: string;
      };
      throw new ApiError(code, message);
    }
    this.#resourceVersion = told.metadata.resourceVersion;
    if (type === "BOOKMARK") return;
    const object = withoutManagers(told);
    if (type === "DELETED") this.#objects.delete(keyOf(object));
    else this.#objects.set(keyOf(object), object);
    this.#options.changed(object);
  }

  #heard(): void {
    this.#failures = 0;
    this.#lastHeardMs = this.#options.clock.monoMs();
  }

  #resyncLater(): void {
    const { timers, resyncMs, changed } = this.#options;
    const cancel = timers.after(resyncMs, () => {
      for (const object of this.#objects.values()) changed(object);
      this.#resyncLater();
    });
    this.#ending.signal.addEventListener("abort", cancel, { once: true });
  }
}

type Page<Type> = {
  readonly items: readonly Type[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
};

/** Who owns which field is more than the rest of a small object, is nothing to whoever watches, and would be kept for each of thousands. */
function withoutManagers<Type extends KubeObject>(object: Type): Type {
  return { ...object, metadata: { ...object.metadata, managedFields: undefined } };
}

function keyOf({ metadata: { namespace, name } }: KubeObject): string {
  return `${namespace}/${name}`;
}
