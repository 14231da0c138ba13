import { type Clock, type Logger, pause, type Timers } from "@saturnmq/kit";
import type { ApiClient } from "./api-client.ts";
import { isApiError } from "./api-error.ts";
import { pathOf, resources } from "./objects.ts";

export type ElectionOptions = {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Of this process; no other has it, ever. */
  readonly identity: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Called once when the leadership may have gone to another: the process must end at once. */
  readonly lost: () => void;
};

/** As in client-go: who holds the lease keeps it for so long after each renewal. */
const leaseMs = 15_000;
/** Who could not renew for so long stops, well before another may begin. */
const renewDeadlineMs = 10_000;
const retryMs = 2_000;

type Lease = {
  readonly metadata: { readonly resourceVersion: string };
  readonly spec?: { readonly holderIdentity?: string; readonly leaseTransitions?: number };
};

/**
 * Leadership among the processes of one operator by a Lease object.
 *
 * A lease has expired when it did not change for its time *on our clock*; what the holder's clock says of renewals is never compared with ours. Every
 * write names the version that it is based on, so of two at once one is refused.
 */
export class Election {
  readonly #options: ElectionOptions;
  readonly #ending = new AbortController();
  #seen: { readonly version: string; readonly atMs: number } | undefined;
  #renewedMs = 0;
  #leads = false;
  #renewing: Promise<void> | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** Resolves when this process leads; it goes on renewing until `close`. */
  async win(): Promise<void> {
    const { timers, logger } = this.#options;
    while (!this.#ending.signal.aborted) {
      try {
        if (await this.#acquire()) break;
      } catch (error) {
        logger.warn({ err: error }, "the lease cannot be read or written");
      }
      await pause(timers, retryMs, this.#ending.signal);
    }
    if (this.#ending.signal.aborted) return;
    this.#leads = true;
    this.#renewing = this.#renew();
  }

  /** Whether this process leads for sure. What destroys something asks first. */
  get leads(): boolean {
    return this.#leads && this.#options.clock.monoMs() - this.#renewedMs < renewDeadlineMs;
  }

  /** Stops, and lets another begin at once. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#renewing;
    if (!this.#leads) return;
    this.#leads = false;
    try {
      const lease = await this.#read();
      if (lease?.spec?.holderIdentity === this.#options.identity)
        await this.#write(lease, { holderIdentity: "", leaseDurationSeconds: 1 });
    } catch (error) {
      this.#options.logger.warn({ err: error }, "the lease could not be given back; it expires by itself");
    }
  }

  async #renew(): Promise<void> {
    const { timers, logger, clock } = this.#options;
    for (;;) {
      await pause(timers, retryMs, this.#ending.signal);
      if (this.#ending.signal.aborted) return;
      try {
        if (!(await this.#acquire())) {
          this.#end("another process holds the lease");
          return;
        }
      } catch (error) {
        logger.warn({ err: error }, "the lease could not be renewed");
      }
      if (clock.monoMs() - this.#renewedMs >= renewDeadlineMs) {
        this.#end("the lease could not be renewed in time");
        return;
      }
    }
  }

  #end(why: string): void {
    this.#leads = false;
    this.#options.logger.error({ reason: why }, "leadership is lost");
    this.#options.lost();
  }

  /** @returns whether the lease is ours now */
  async #acquire(): Promise<boolean> {
    const { identity, clock } = this.#options;
    const startedMs = clock.monoMs();
    const lease = await this.#read();
    const holder = lease?.spec?.holderIdentity ?? "";
    if (lease !== undefined && holder !== "" && holder !== identity && !this.#hasExpired(lease)) return false;
    const transitions = (lease?.spec?.leaseTransitions ?? 0) + (holder === identity ? 0 : 1);
    const times = holder === identity ? {} : { acquireTime: microTime(clock.wallMs()), leaseTransitions: transitions };
    try {
      await this.#write(lease, { holderIdentity: identity, leaseDurationSeconds: leaseMs / 1_000, ...times });
    } catch (error) {
      if (isApiError(error, "conflict")) return false;
      throw error;
    }
    // From before the question: whoever sees the write later counts from later.
    this.#renewedMs = startedMs;
    return true;
  }

  #hasExpired({ metadata: { resourceVersion: version } }: Lease): boolean {
    const nowMs = this.#options.clock.monoMs();
    if (this.#seen?.version !== version) this.#seen = { version, atMs: nowMs };
    return nowMs - this.#seen.atMs >= leaseMs;
  }

  async #read(): Promise<Lease | undefined> {
    try {
      return await this.#options.client.call<Lease>("GET", this.#path(), { timeoutMs: renewDeadlineMs / 2 });
    } catch (error) {
      if (isApiError(error, "notFound")) return undefined;
      throw error;
    }
  }

  async #write(lease: Lease | undefined, spec: Readonly<Record<string, unknown>>): Promise<void> {
    const { namespace, name, clock, client } = this.#options;
    const metadata = {
      name,
      namespace,
      ...(lease === undefined ? {} : { resourceVersion: lease.metadata.resourceVersion }),
    };
    const renewed = { ...lease?.spec, ...spec, renewTime: microTime(clock.wallMs()) };
    const body = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec: renewed };
    const timeoutMs = renewDeadlineMs / 2;
    if (lease === undefined) await client.call("POST", pathOf(resources.Lease, namespace), { body, timeoutMs });
    else await client.call("PUT", this.#path(), { body, timeoutMs });
  }

  #path(): string {
    return `${pathOf(resources.Lease, this.#options.namespace)}/${this.#options.name}`;
  }
}

/** The API server wants exactly six decimals. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
