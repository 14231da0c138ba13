import type { ReplicaId } from "raft-ts";

type Entry = "link" | number;

/**
 * What one life of a process got from its peers, to be judged: a peer's numbers rise, and within a link's life none is missing. A peer numbers what
 * it gives to a link, for each receiver, upwards without a gap, and a later life of it begins above all earlier ones.
 */
export class LinkHistory {
  readonly #entries = new Map<ReplicaId, Entry[]>();

  linkUp(peer: ReplicaId): void {
    this.#of(peer).push("link");
  }

  received(peer: ReplicaId, number: number): void {
    this.#of(peer).push(number);
  }

  /** What is wrong, in words; empty if nothing is. */
  problems(): readonly string[] {
    return [...this.#entries].flatMap(([peer, entries]) => {
      const problem = fallOf(entries) ?? gapOf(entries);
      return problem === undefined ? [] : [`from ${peer}: ${problem}`];
    });
  }

  /** Everything, to compare two runs. */
  toString(): string {
    return [...this.#entries].map(([peer, entries]) => `${String(peer)}: ${entries.join(" ")}`).join("\n");
  }

  #of(peer: ReplicaId): Entry[] {
    const known = this.#entries.get(peer);
    if (known !== undefined) return known;
    const entries: Entry[] = [];
    this.#entries.set(peer, entries);
    return entries;
  }
}

function fallOf(entries: readonly Entry[]): string | undefined {
  let highest = 0;
  for (const entry of entries) {
    if (entry === "link") continue;
    if (entry <= highest) return `${entry} came after ${highest}`;
    highest = entry;
  }
  return undefined;
}

function gapOf(entries: readonly Entry[]): string | undefined {
  let last: Entry | undefined;
  for (const entry of entries) {
    if (last === undefined && entry !== "link") return `${entry} came without a link`;
    if (typeof last === "number" && typeof entry === "number" && entry !== last + 1)
      return `${last + 1} is missing before ${entry}`;
    last = entry;
  }
  return undefined;
}
