import type { AppendRequest, Entry } from "../core/messages.ts";
import type { GroupId, Payload, RaftLog, ReplicaId, StoredEntry, Transport } from "../ports.ts";
import type { HeldPayloads } from "./held-payloads.ts";
import type { PeerMessage } from "./messages.ts";

export type ReplicationOptions = {
  readonly log: RaftLog;
  readonly transport: Transport<PeerMessage> | undefined;
  readonly fail: (error: unknown) => void;
  /** False once the process is to end. */
  readonly alive: () => boolean;
};

/** Where the entries that one group sends come from. */
export type AppendSource = {
  readonly group: GroupId;
  readonly held: HeldPayloads;
  /** Whether the entry's write has ended, so that the log can give it. */
  readonly isWritten: (index: number) => boolean;
  /** Resolves when all that is staged now is written. */
  readonly written: () => Promise<void>;
};

/** Appends to one follower that wait for a read of the log. */
type Backlog = { readonly waiting: AppendRequest[]; end: number };

/** Sends to other processes, and puts the payloads to the entries that the core names. */
export class Replication {
  readonly #options: ReplicationOptions;
  /** By group and follower; present while anything is being read for it, so that nothing later overtakes. */
  readonly #backlogs = new Map<string, Backlog>();

  constructor(options: ReplicationOptions) {
    this.#options = options;
  }

  send(to: ReplicaId, message: PeerMessage): void {
    this.#options.transport?.send(to, message);
  }

  /** Sends entries at once while their payloads are held, else after reading them. */
  sendAppend(source: AppendSource, to: ReplicaId, message: AppendRequest): void {
    const { group, held } = source;
    const link = `${String(group)} ${String(to)}`;
    const backlog = this.#backlogs.get(link);
    if (backlog !== undefined) {
      // The core went back to send again: reading what it gave up would let a slow disk fall behind for ever.
      if (message.prevIndex !== backlog.end) backlog.waiting.length = 0;
      backlog.waiting.push(message);
      backlog.end = endOf(message);
      return;
    }
    const payloads = message.entries.map((entry) => held.get(entry.index));
    if (payloads.every((payload) => payload !== undefined)) this.send(to, { kind: "group", group, message, payloads });
    else void this.#sendAfterReading(link, source, to, message);
  }

  async #sendAfterReading(link: string, source: AppendSource, to: ReplicaId, first: AppendRequest): Promise<void> {
    const backlog: Backlog = { waiting: [first], end: endOf(first) };
    this.#backlogs.set(link, backlog);
    for (let message = backlog.waiting.shift(); message !== undefined; message = backlog.waiting.shift()) {
      await this.#sendRead(source, to, message);
      if (!this.#options.alive()) return;
    }
    this.#backlogs.delete(link);
  }

  /**
   * Sends nothing when the log has other entries there by now, since this replica leads no more, or begins after them. The newest entries are held and may
   * not be written yet, so the log cannot give those; and one that is released while others are read may be overwritten, so it is then read as well. Who
   * became the leader while it had more to write than it could hold waits for its own write.
   */
  async #sendRead(source: AppendSource, to: ReplicaId, message: AppendRequest): Promise<void> {
    const { log, fail, alive } = this.#options;
    const { group, held, isWritten, written } = source;
    const { entries } = message;
    const view = log.view(group);
    const stands = (): boolean =>
      entries.every(({ index, term }) => index >= view.firstIndex && view.termAt(index) === term);
    const read = new Map<number, Payload | undefined>();
    const lacking = (): readonly Entry[] =>
      entries.filter(({ index }) => !read.has(index) && held.get(index) === undefined);
    try {
      while (stands()) {
        const unread = lacking();
        if (unread.some(({ index }) => !isWritten(index))) {
          await written();
          // Of a group that was closed meanwhile, or an entry that replaced this one: whoever still wants it asks again.
          if (unread.some(({ index }) => !isWritten(index))) return;
          continue;
        }
        if (unread.length > 0) {
          await Promise.all(unread.map(async ({ index }) => read.set(index, contentOf(await log.read(group, index)))));
          continue;
        }
        // In this very turn: what is held is the entry's only until it is applied.
        const payloads = entries.map(({ index }) => (read.has(index) ? read.get(index) : held.get(index)));
        if (alive()) this.send(to, { kind: "group", group, message, payloads });
        return;
      }
    } catch (error) {
      // An entry that is there and cannot be read is corrupt: this replica must not go on as if it held it.
      if (stands()) fail(error);
    }
  }
}

/** The content of a configuration entry is in the message. */
function contentOf({ kind, payload }: StoredEntry): Payload | undefined {
  return kind === "configuration" ? undefined : payload;
}

function endOf({ prevIndex, entries }: AppendRequest): number {
  return prevIndex + entries.length;
}
