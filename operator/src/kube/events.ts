import { type Clock, type Logger } from "@saturnmq/kit";
import type { ApiClient } from "./api-client.ts";
import { microTime } from "./election.ts";
import { type KubeObject, pathOf, resources } from "./objects.ts";

export type EventRecorderOptions = {
  readonly client: ApiClient;
  /** Of this process. */
  readonly identity: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** What happened to an object, for whoever describes it. */
export type Happening = {
  readonly type: "Normal" | "Warning";
  /** One word, like a condition's reason. */
  readonly reason: string;
  /** What was done: one word. */
  readonly action: string;
  readonly note: string;
};

const noteMax = 1_024;
const rememberedMax = 1_000;

/** Writes events about objects. The same thing about the same object is not told twice in a row. What cannot be written is logged and forgotten. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #last = new Map<string, string>();
  #count = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** @param regarding what it happened to, with `apiVersion` and `kind` */
  async record(regarding: KubeObject, happening: Happening): Promise<void> {
    const { uid } = regarding.metadata;
    const told = JSON.stringify(happening);
    if (this.#last.get(uid) === told) return;
    this.#remember(uid, told);
    try {
      await this.#write(regarding, happening);
    } catch (error) {
      this.#options.logger.warn({ err: error, reason: happening.reason }, "an event could not be written");
    }
  }

  #remember(uid: string, told: string): void {
    this.#last.delete(uid);
    this.#last.set(uid, told);
    const [oldest] = this.#last.keys();
    if (this.#last.size > rememberedMax && oldest !== undefined) this.#last.delete(oldest);
  }

  async #write({ apiVersion, kind, metadata }: KubeObject, { type, reason, action, note }: Happening): Promise<void> {
    const { client, identity, clock } = this.#options;
    const { name, namespace, uid, resourceVersion } = metadata;
    this.#count += 1;
    const body = {
      ...{ apiVersion: "events.k8s.io/v1", kind: "Event" },
      metadata: { name: `${name}.${clock.wallMs().toString(16)}.${this.#count.toString(16)}`, namespace },
      ...{ type, reason, action, note: note.slice(0, noteMax), eventTime: microTime(clock.wallMs()) },
      ...{ reportingController: "saturnmq.io/operator", reportingInstance: identity },
      regarding: { apiVersion, kind, name, namespace, uid, resourceVersion },
    };
    await client.call("POST", pathOf(resources.Event, namespace), { body });
  }
}
