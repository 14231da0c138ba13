import type { EntryKind, GroupId } from "../../ports.ts";
import type { EntryChain } from "../entry-chain.ts";

export type CommittedEntry = {
  readonly term: number;
  readonly kind: EntryKind;
  readonly chain: number;
  readonly bytes: Uint8Array;
  /** Term of the replica that first took it for committed. */
  readonly committedIn: number;
};

/** What the first replica to do so took for committed, for ever: what the rules about commitment compare with. Entry `i + 1` at `i`. */
export class CommittedEntries {
  readonly chain: EntryChain;
  readonly #groups = new Map<GroupId, CommittedEntry[]>();

  constructor(chain: EntryChain) {
    this.chain = chain;
  }

  of(group: GroupId): CommittedEntry[] {
    const known = this.#groups.get(group);
    if (known !== undefined) return known;
    const entries: CommittedEntry[] = [];
    this.#groups.set(group, entries);
    return entries;
  }
}
