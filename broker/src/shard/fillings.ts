import type { Filling } from "./filling.ts";

export type FillingsOptions = {
  /** Which shards are being filled in here is different now. */
  readonly changed: () => void;
  readonly fatal: (error: unknown) => void;
};

/** The replicas here that are being filled in, by shard. */
export class Fillings {
  readonly #options: FillingsOptions;
  readonly #current = new Map<number, Filling>();
  /** By shard, when all that was begun to fill it has ended. */
  readonly #runs = new Map<number, Promise<void>>();

  constructor(options: FillingsOptions) {
    this.#options = options;
  }

  /** Shards that lack something. */
  get shards(): readonly number[] {
    return [...this.#current.keys()];
  }

  has(shard: number): boolean {
    return this.#current.has(shard);
  }

  /** Runs it in place of what was begun before, once that has let go of what it opened. */
  begin(shard: number, filling: Filling): void {
    this.#current.get(shard)?.end();
    this.#current.set(shard, filling);
    this.#options.changed();
    const before = this.#runs.get(shard) ?? Promise.resolve();
    const run = before.then(() => (filling.ended ? false : filling.run()));
    const done = run.then((whole) => {
      if (whole && this.#current.get(shard) === filling) this.end(shard);
    }, this.#options.fatal);
    this.#runs.set(shard, done);
  }

  /** Asks for nothing more for this shard. */
  end(shard: number): void {
    this.#current.get(shard)?.end();
    if (this.#current.delete(shard)) this.#options.changed();
  }

  /** Asks for nothing more, and tells nobody. */
  close(): void {
    for (const filling of this.#current.values()) filling.end();
  }
}
