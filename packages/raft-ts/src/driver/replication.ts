import type { Timers } from "@saturnmq/kit";
import type { AppendRequest, Entry } from "../core/messages.ts";
import type { GroupId, Payload, RaftLog, ReplicaId, StoredEntry, Transport } from "../ports.ts";
import type { AppendSource } from "./append-source.ts";
import { CatchUp } from "./catch-up.ts";
import type { PeerMessage } from "./messages.ts";

export type ReplicationOptions = {
  readonly log: RaftLog;
  readonly transport: Transport<PeerMessage> | undefined;
  readonly monoMs: () => number;
  readonly timers: Timers;
  readonly fail: (error: unknown) => void;
  /** False once the process is to end. */
  readonly alive: () => boolean;
};

/** So much may be on its way to one follower, of all groups together: what comes beyond waits its turn, in the log. */
const unansweredBytesMax = 16 * 1024 * 1024;

/** Sends to other processes, and puts the payloads to the entries that the core names. */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #followers = new Map<ReplicaId, CatchUp>();
  #commits = 0;

  constructor(options: ReplicationOptions) {
    this.#options = options;
  }

  send(to: ReplicaId, message: PeerMessage): void {
    this.#options.transport?.send(to, message);
  }

  /** Sends entries at once while their payloads are held, else after reading them, at a pace that leaves live traffic its share. */
  sendAppend(source: AppendSource, to: ReplicaId, message: AppendRequest): void {
    const { group, held } = source;
    const follower = this.#follower(to);
    const payloads = message.entries.map((entry) => held.get(entry.index));
    const waits = follower.waits(group) || (payloads.length > 0 && follower.unansweredBytes >= unansweredBytesMax);
    if (waits || payloads.includes(undefined)) follower.add(source, message);
    else this.#sendFilled(group, to, message, payloads);
  }

  /** A follower said how far it holds the group's entries; `Infinity`: nothing that was sent before will be answered. */
  answered(group: GroupId, from: ReplicaId, match: number): void {
    this.#followers.get(from)?.answered(group, match);
  }

  /** The connection to a follower broke. */
  unreachable(follower: ReplicaId): void {
    this.#followers.get(follower)?.unreachable();
  }

  /** The group is not led here any more, or closed. */
  forget(group: GroupId): void {
    for (const follower of this.#followers.values()) follower.forget(group);
  }

  /** A group that is led here committed something. */
  noteCommit(): void {
    this.#commits += 1;
  }

  #follower(id: ReplicaId): CatchUp {
    const known = this.#followers.get(id);
    if (known !== undefined) return known;
    const { monoMs, timers, alive } = this.#options;
    const send = (source: AppendSource, message: AppendRequest): Promise<number> => this.#sendRead(source, id, message);
    const follower = new CatchUp({ send, commits: () => this.#commits, monoMs, timers, alive });
    this.#followers.set(id, follower);
    return follower;
  }

  /** @returns the bytes that left */
  #sendFilled(
    group: GroupId,
    to: ReplicaId,
    message: AppendRequest,
    payloads: readonly (Payload | undefined)[],
  ): number {
    let bytes = 0;
    for (const payload of payloads) bytes += payload?.length ?? 0;
    this.#follower(to).noteSent(group, message, bytes);
    this.send(to, { kind: "group", group, message, payloads });
    return bytes;
  }

  /**
   * Sends nothing when the log has other entries there by now, since this replica leads no more, or begins after them. The newest entries are held and may
   * not be written yet, so the log cannot give those; and one that is released while others are read may be overwritten, so it is then read as well. Who
   * became the leader while it had more to write than it could hold waits for its own write.
   *
   * @returns the bytes that left
   */
  async #sendRead(source: AppendSource, to: ReplicaId, message: AppendRequest): Promise<number> {
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
          if (unread.some(({ index }) => !isWritten(index))) return 0;
          continue;
        }
        if (unread.length > 0) {
          await Promise.all(unread.map(async ({ index }) => read.set(index, contentOf(await log.read(group, index)))));
          continue;
        }
        // In this very turn: what is held is the entry's only until it is applied.
        const payloads = entries.map(({ index }) => (read.has(index) ? read.get(index) : held.get(index)));
        return alive() ? this.#sendFilled(group, to, message, payloads) : 0;
      }
    } catch (error) {
      // An entry that is there and cannot be read is corrupt: this replica must not go on as if it held it.
      if (stands()) fail(error);
    }
    return 0;
  }
}

/** The content of a configuration entry is in the message. */
function contentOf({ kind, payload }: StoredEntry): Payload | undefined {
  return kind === "configuration" ? undefined : payload;
}
