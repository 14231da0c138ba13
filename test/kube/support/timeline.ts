import { type CustomResources, has } from "./custom-resources.ts";

/** How a broker set was at a moment, when that differs from the moment before. */
export type Moment = {
  /** Seconds since the beginning. */
  readonly at: number;
  /** Brokers that the HPA wants, pods that there are, and pods that are ready. */
  readonly wanted: number;
  readonly pods: number;
  readonly ready: number;
  /** Acknowledged sends of the second before. */
  readonly sends: number;
  readonly note?: string;
};

const everyMs = 1_000;

/** Writes down how a broker set changes, second by second. */
export class Timeline {
  readonly #resources: CustomResources;
  readonly #sends: () => number;
  readonly #moments: Moment[] = [];
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #note: string | undefined;

  /** @param sends acknowledged so far */
  constructor(resources: CustomResources, sends: () => number) {
    this.#resources = resources;
    this.#sends = sends;
    this.#timer = setInterval(() => void this.#look().catch(() => undefined), everyMs);
  }

  get moments(): readonly Moment[] {
    return this.#moments;
  }

  /** Says something of this moment. */
  note(text: string): void {
    this.#note = this.#note === undefined ? text : `${this.#note}; ${text}`;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const [set, pods] = await Promise.all([this.#resources.get("Broker", "main"), this.#resources.pods()]);
    const total = this.#sends();
    const sends = total - this.#sent;
    this.#sent = total;
    const last = this.#moments.at(-1);
    const ready = pods.filter((pod) => has(pod, "Ready", "True")).length;
    const now = { wanted: set.spec?.replicas ?? 0, pods: pods.length, ready };
    const isSame = last?.wanted === now.wanted && last.pods === now.pods && last.ready === now.ready;
    const note = this.#note;
    if (isSame && note === undefined) return;
    this.#note = undefined;
    const at = Math.round((performance.now() - this.#startedMs) / everyMs);
    this.#moments.push({ at, ...now, sends, ...(note === undefined ? {} : { note }) });
  }
}
