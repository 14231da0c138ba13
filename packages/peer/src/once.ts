/** Keys remembered. Above it nothing is new any more: an attacker's names must not cost memory. */
const keysMax = 4_096;

/** Remembers what was said already, so that each thing is logged once. */
export class Once {
  readonly #said = new Set<string>();

  /** True the first time. */
  first(key: string): boolean {
    if (this.#said.has(key) || this.#said.size >= keysMax) return false;
    this.#said.add(key);
    return true;
  }

  /** What begins with `prefix` is news again. */
  forget(prefix: string): void {
    for (const key of this.#said) if (key.startsWith(prefix)) this.#said.delete(key);
  }
}
