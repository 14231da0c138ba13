import { assert } from "@saturnmq/kit";

/** The terms of consecutive entries as runs of equal term: small however long the log is. Covers [first - 1, last]. */
export class TermRuns {
  /** First index of each run, rising; the first run may start before `#first - 1`. */
  #starts: number[] = [0];
  #terms: number[] = [0];
  #first = 1;
  #last = 0;

  /** First index that can be read. */
  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#last;
  }

  get lastTerm(): number {
    return this.#terms.at(-1) ?? 0;
  }

  /** Term of the entry at `index`; also for `first - 1`; `undefined` outside. */
  at(index: number): number | undefined {
    if (index < this.#first - 1 || index > this.#last) return undefined;
    let low = 0;
    let high = this.#starts.length - 1;
    // Most questions are about the newest term.
    if ((this.#starts[high] ?? 0) <= index) return this.#terms[high];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return this.#terms[low];
  }

  push(term: number): void {
    assert(term >= this.lastTerm, "terms never fall along a log");
    this.#last += 1;
    if (term === this.lastTerm) return;
    this.#starts.push(this.#last);
    this.#terms.push(term);
  }

  /** Adds entries up to `last`, all of `term`; those already there stay as they are. */
  extend(last: number, term: number): void {
    if (last <= this.#last) return;
    this.push(term);
    this.#last = last;
  }

  /** Discards the entries from `index` on. */
  truncate(index: number): void {
    assert(index >= this.#first && index <= this.#last, "a truncation lies inside the log");
    this.#last = index - 1;
    while (this.#starts.length > 1 && (this.#starts.at(-1) ?? 0) > this.#last) {
      this.#starts.pop();
      this.#terms.pop();
    }
  }

  /** Makes `index` the first that can be read; lower ones do nothing. */
  trim(index: number): void {
    if (index <= this.#first) return;
    assert(index <= this.#last + 1, "a log start lies at most one past the last entry");
    this.#first = index;
    while (this.#starts.length > 1 && (this.#starts[1] ?? 0) <= index - 1) {
      this.#starts.shift();
      this.#terms.shift();
    }
  }

  /** Sets the term of the entry before the first. */
  setTermBefore(term: number): void {
    const before = this.#first - 1;
    const known = this.#terms[0] ?? 0;
    if (known === term) return;
    // The first run goes on behind it.
    if (this.#last >= this.#first && this.#starts[1] !== this.#first) {
      this.#starts.splice(1, 0, this.#first);
      this.#terms.splice(1, 0, known);
    }
    this.#starts[0] = before;
    this.#terms[0] = term;
  }

  /** Starts over with nothing but the knowledge that the entry at `first - 1` had `term`. */
  restart(first: number, term: number): void {
    this.#starts = [first - 1];
    this.#terms = [term];
    this.#first = first;
    this.#last = first - 1;
  }

  copy(): TermRuns {
    const copy = new TermRuns();
    copy.#starts = [...this.#starts];
    copy.#terms = [...this.#terms];
    copy.#first = this.#first;
    copy.#last = this.#last;
    return copy;
  }
}
