import type { AppendRequest, Entry } from "../core/messages.ts";
import type { GroupId, Payload, RaftLog, ReplicaId } from "../ports.ts";
import type { GroupMessage } from "./messages.ts";

/** More payload than this does not wait for room: what comes beyond is dropped, and its leader sends it again. */
const bytesMax = 32 * 1024 * 1024;
/** More than a log spends on an entry beside its payload. */
const entryHeadMax = 256;

export type ArrivalsOptions = {
  readonly log: Pick<RaftLog, "roomBytes" | "maxEntryBytes">;
  readonly deliver: (from: ReplicaId, message: GroupMessage) => void;
};

type Append = GroupMessage & { readonly message: AppendRequest };

/**
 * Brings messages to the groups. Appends that the log has no room to stage wait for the write that makes room, in the order in which they came: on a slow
 * disk more may come during one write than the next can carry. Other messages pass them, as they may on any network.
 */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  #waiting: { readonly from: ReplicaId; readonly message: Append }[] = [];
  #bytes = 0;
  /** Of which any waits: what comes for them waits behind it. */
  readonly #groups = new Set<GroupId>();

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /** Payload bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  take(from: ReplicaId, message: GroupMessage): void {
    const { deliver } = this.#options;
    // Any other message needs no room, and one that does not match itself is refused by the group.
    if (!isAppend(message) || message.message.entries.length !== message.payloads.length) return deliver(from, message);
    const left = this.#groups.has(message.group) ? message : this.#deliver(from, message);
    if (left !== undefined) this.#wait(from, left);
  }

  /** A write has begun: there is room for the next. */
  roomAgain(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#groups.clear();
    for (const { from, message } of waiting) this.take(from, message);
  }

  #wait(from: ReplicaId, message: Append): void {
    const bytes = payloadBytes(message.payloads);
    if (this.#bytes + bytes > bytesMax) return;
    this.#waiting.push({ from, message });
    this.#bytes += bytes;
    this.#groups.add(message.group);
  }

  /** Delivers what there is room for; what is left of it has to wait. */
  #deliver(from: ReplicaId, message: Append): Append | undefined {
    let left = message;
    while (!this.#fits(left.payloads)) {
      if (left.payloads.length === 1 || !this.#fits(left.payloads.slice(0, 1))) return left;
      const [first, rest] = split(left);
      this.#options.deliver(from, first);
      left = rest;
    }
    this.#options.deliver(from, left);
    return undefined;
  }

  /** An entry alone fits an empty stage to the byte; one that is too large for any stage is the log's to refuse. */
  #fits(payloads: readonly (Payload | undefined)[]): boolean {
    const { roomBytes, maxEntryBytes } = this.#options.log;
    const bytes = payloadBytes(payloads);
    if (payloads.length > 1) return bytes + entryHeadMax * payloads.length <= roomBytes;
    return payloads.length === 0 || bytes > maxEntryBytes || (bytes <= roomBytes && roomBytes > 0);
  }
}

function isAppend(message: GroupMessage): message is Append {
  return message.message.kind === "appendRequest";
}

/** The first entry, and the others: an append each. */
function split({ message, payloads, ...rest }: Append): readonly [Append, Append] {
  const [entry] = message.entries as readonly [Entry];
  return [
    { ...rest, message: { ...message, entries: [entry] }, payloads: payloads.slice(0, 1) },
    {
      ...rest,
      message: { ...message, prevIndex: entry.index, prevTerm: entry.term, entries: message.entries.slice(1) },
      payloads: payloads.slice(1),
    },
  ];
}

function payloadBytes(payloads: readonly (Payload | undefined)[]): number {
  let bytes = 0;
  for (const payload of payloads) bytes += payload?.length ?? 0;
  return bytes;
}
