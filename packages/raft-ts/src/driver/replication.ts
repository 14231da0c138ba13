import type { AppendRequest } from "../core/messages.ts";
import type { GroupId, Payload, RaftLog, ReplicaId, Transport } from "../ports.ts";
import type { HeldPayloads } from "./held-payloads.ts";
import type { PeerMessage } from "./messages.ts";

export type ReplicationOptions = {
  readonly log: RaftLog;
  readonly transport: Transport<PeerMessage> | undefined;
  readonly fail: (error: unknown) => void;
  /** False once the process is to end. */
  readonly alive: () => boolean;
};

type Payloads = readonly (Payload | undefined)[];

/** Sends to other processes, and puts the payloads to the entries that the core names. */
export class Replication {
  readonly #options: ReplicationOptions;
  /** Appends that wait for a read of the log, so that a later one to the same follower does not overtake them. */
  readonly #reading = new Map<string, Promise<void>>();

  constructor(options: ReplicationOptions) {
    this.#options = options;
  }

  send(to: ReplicaId, message: PeerMessage): void {
    this.#options.transport?.send(to, message);
  }

  /** Sends entries at once while their payloads are held, else after reading them. */
  sendAppend(group: GroupId, to: ReplicaId, message: AppendRequest, held: HeldPayloads): void {
    const link = `${String(group)} ${String(to)}`;
    const payloads = message.entries.map((entry) => held.get(entry.index));
    const earlier = this.#reading.get(link);
    if (earlier === undefined && payloads.every((payload) => payload !== undefined)) {
      this.send(to, { kind: "group", group, message, payloads });
      return;
    }
    const reading = this.#sendLater(earlier, group, to, message);
    this.#reading.set(link, reading);
    void reading.then(() => {
      if (this.#reading.get(link) === reading) this.#reading.delete(link);
    });
  }

  async #sendLater(
    earlier: Promise<void> | undefined,
    group: GroupId,
    to: ReplicaId,
    message: AppendRequest,
  ): Promise<void> {
    await earlier;
    const payloads = await this.#read(group, message);
    if (payloads === undefined || !this.#options.alive()) return;
    this.send(to, { kind: "group", group, message, payloads });
  }

  /** `undefined` when the log has other entries there by now: whoever asked does not lead any more. */
  async #read(group: GroupId, message: AppendRequest): Promise<Payloads | undefined> {
    const { log, fail } = this.#options;
    const payloads: Payload[] = [];
    for (const { index, term } of message.entries) {
      if (log.view(group).termAt(index) !== term) return undefined;
      try {
        const entry = await log.read(group, index);
        if (entry.term !== term) return undefined;
        payloads.push(entry.payload);
      } catch (error) {
        if (log.view(group).termAt(index) === term) fail(error);
        return undefined;
      }
    }
    return payloads;
  }
}
