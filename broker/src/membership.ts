import { type Cancel, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import {
  type BrokerRegistration,
  type BrokerReport,
  emptyReport,
  type HeartbeatReply,
  type MetadataService,
} from "@saturnmq/wire";

/** A third of the lease that the name server grants (design 9). */
const heartbeatEveryMs = 1_000;

export type MembershipOptions = {
  readonly metadata: MetadataService;
  readonly registration: BrokerRegistration;
  /** False: no name server could be asked when the log was opened, so the broker has to announce itself yet. */
  readonly registered: boolean;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Called when the name server refuses this broker: it must end. */
  readonly fatal: (error: unknown) => void;
};

/** What a broker tells of itself, and does when it is asked to. */
export type Member = {
  report(): BrokerReport;
  /** What the name server wants; it asks again until it is done. */
  wanted(reply: HeartbeatReply): void;
};

/** Keeps telling the name server that this broker lives and how it is. Goes on while no name server answers. */
export class Membership {
  readonly #options: MembershipOptions;
  #registered: boolean;
  #heard = true;
  #member: Member | undefined;
  #cancel: Cancel | undefined;
  #ended = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#registered = options.registered;
  }

  /** Begins; resolves after the first sign of life, or when there was no name server to hear it. Rejects if the name server refuses this broker. */
  async start(): Promise<void> {
    await this.#beat();
    this.#later();
  }

  /** From now on what the broker has to tell goes with each sign of life. */
  speakFor(member: Member): void {
    this.#member = member;
  }

  end(): void {
    this.#ended = true;
    this.#cancel?.();
  }

  #later(): void {
    if (this.#ended) return;
    this.#cancel = this.#options.timers.after(heartbeatEveryMs, () => {
      this.#beat().then(() => {
        this.#later();
      }, this.#options.fatal);
    });
  }

  async #beat(): Promise<void> {
    const { metadata, registration, logger } = this.#options;
    try {
      if (!this.#registered) await metadata.register(registration);
      this.#registered = true;
      const { brokerId, incarnation } = registration;
      const reply = await metadata.heartbeat(brokerId, incarnation, this.#member?.report() ?? emptyReport);
      if (!this.#heard) logger.info({}, "the name server hears this broker again");
      this.#heard = true;
      if (!this.#ended) this.#member?.wanted(reply);
    } catch (error) {
      if (!(error instanceof SaturnError) || error.code !== "HA_NOT_AVAILABLE") {
        if (this.#ended) return;
        throw error;
      }
      if (this.#heard && !this.#ended) logger.warn({ err: error }, "no name server hears this broker");
      this.#heard = false;
    }
  }
}
