import { PeerCallError } from "../ports.ts";

/** What became of calls, to be judged: what `notSent` and `refused` prove, and that nothing is done twice. */
export class CallHistory {
  readonly #handled = new Map<string, number>();
  readonly #outcomes = new Map<string, string>();
  #lastId = 0;

  /** A name for the next call. */
  next(): string {
    return `call ${String((this.#lastId += 1))}`;
  }

  handled(id: string): void {
    this.#handled.set(id, (this.#handled.get(id) ?? 0) + 1);
  }

  answered(id: string, answer: string): void {
    this.#outcomes.set(id, answer === id ? "answered" : `answered with ${answer}`);
  }

  failed(id: string, error: unknown): void {
    this.#outcomes.set(id, error instanceof PeerCallError ? error.outcome : String(error));
  }

  /** Calls begun that have no outcome yet. */
  get open(): number {
    return this.#lastId - this.#outcomes.size;
  }

  /** How many calls ended so. */
  count(outcome: string): number {
    return [...this.#outcomes.values()].filter((one) => one === outcome).length;
  }

  /** What is wrong, in words; empty if nothing is. */
  problems(): readonly string[] {
    return [...this.#outcomes].flatMap(([id, outcome]) => {
      const times = this.#handled.get(id) ?? 0;
      if (times > 1) return [`${id} was handled ${times} times`];
      if ((outcome === "notSent" || outcome === "refused") && times > 0)
        return [`${id} was handled, but is ${outcome}`];
      if (outcome === "answered" && times === 0) return [`${id} was answered, but not handled`];
      return ["answered", "notSent", "refused", "unknown"].includes(outcome) ? [] : [`${id}: ${outcome}`];
    });
  }
}
