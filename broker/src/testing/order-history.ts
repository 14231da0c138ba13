/** A delivered or stored message, by its text, and its offset; a message group lies in one queue. */
export type Placed = { readonly text: string; readonly offset: number };

/**
 * What clients saw of messages in message groups. Each check answers what is wrong, in words, or nothing.
 *
 * Invariants 4 and 5 of reliability.md: the queue's order is that of the sends; a message is not handed out before those before it in its group
 * are finished, unless together with them; one holder a group at a time.
 */
export class OrderHistory {
  readonly #groupOf = new Map<string, string>();
  /** By group, in the order in which they were sent. */
  readonly #sent = new Map<string, string[]>();
  readonly #offsets = new Map<string, number>();
  readonly #holds = new Map<string, { readonly by: string; readonly untilMs: number }>();
  readonly #isOver: (text: string) => boolean;

  /** @param isOver whether a message is finished, or may be: its acknowledgement was called */
  constructor(isOver: (text: string) => boolean) {
    this.#isOver = isOver;
  }

  sent(text: string, group: string): void {
    this.#groupOf.set(text, group);
    const texts = this.#sent.get(group);
    if (texts === undefined) this.#sent.set(group, [text]);
    else texts.push(text);
  }

  placed({ text, offset }: Placed): string | undefined {
    this.#offsets.set(text, offset);
    const known = this.#siblings(text).filter((other) => this.#offsets.has(other));
    const wrong = known.find((other, at) => at > 0 && this.#offset(other) <= this.#offset(known[at - 1] ?? ""));
    return wrong === undefined ? undefined : `${wrong} lies before what was sent before it`;
  }

  /** Messages that one answer brought, in its order. @param by the attempt that asked */
  delivered(batch: readonly Placed[], by: string, nowMs: number, untilMs: number): string | undefined {
    const seen = new Set<string>();
    const problems = batch.map((placed) => this.placed(placed));
    for (const { text } of batch) {
      problems.push(this.#taken(text, by, nowMs) ?? this.#early(text, seen));
      seen.add(text);
    }
    const problem = problems.find((found) => found !== undefined);
    if (problem !== undefined) return problem;
    for (const { text } of batch) this.#holds.set(text, { by, untilMs });
    return undefined;
  }

  #taken(text: string, by: string, nowMs: number): string | undefined {
    for (const other of this.#siblings(text)) {
      const hold = this.#holds.get(other);
      if (hold === undefined || hold.untilMs <= nowMs || hold.by === by || this.#isOver(other)) continue;
      return `${text} was handed to ${by} while ${hold.by} holds ${other} of its group`;
    }
    return undefined;
  }

  #early(text: string, seen: ReadonlySet<string>): string | undefined {
    for (const other of this.#siblings(text)) {
      if (!this.#offsets.has(other) || this.#offset(other) >= this.#offset(text)) continue;
      if (!seen.has(other) && !this.#isOver(other)) return `${text} was handed out before ${other} was finished`;
    }
    return undefined;
  }

  #siblings(text: string): readonly string[] {
    return this.#sent.get(this.#groupOf.get(text) ?? "") ?? [];
  }

  #offset(text: string): number {
    return this.#offsets.get(text) ?? 0;
  }
}
