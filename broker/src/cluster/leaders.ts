import type { Timers } from "@saturnmq/kit";

type Claim = { readonly broker: number; readonly term: number };

/**
 * Who leads which shard, as each broker says of itself. Soft state: it may be late, and whoever is asked knows better.
 */
export class Leaders {
  readonly #timers: Timers;
  /** By broker: the shards that it leads, and in which term. */
  readonly #byBroker = new Map<number, ReadonlyMap<number, number>>();
  readonly #byShard = new Map<number, Claim>();
  /** Claims that turned out to be wrong. A new one, or a later term, may be right. */
  readonly #doubted = new Map<number, Claim>();
  readonly #waiting = new Set<() => void>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** A broker says what it leads: all of it. */
  told(broker: number, led: ReadonlyMap<number, number>): void {
    this.#byBroker.set(broker, new Map(led));
    if (led.size === 0) this.#byBroker.delete(broker);
    for (const [shard, doubted] of this.#doubted) {
      if (doubted.broker === broker && led.get(shard) !== doubted.term) this.#doubted.delete(shard);
    }
    this.#settle();
  }

  /** A broker that was asked as a shard's leader did not lead it: nobody asks it again before it says so anew. */
  doubt(shard: number, broker: number): void {
    const claim = this.#byShard.get(shard);
    if (claim?.broker !== broker) return;
    this.#doubted.set(shard, claim);
    this.#settle();
  }

  /** The broker that leads a shard; `undefined` while none is known. */
  of(shard: number): number | undefined {
    return this.#byShard.get(shard)?.broker;
  }

  /** The shards that a broker leads, as far as nobody else claims them in a later term. */
  ledBy(broker: number): readonly number[] {
    return [...(this.#byBroker.get(broker)?.keys() ?? [])].filter((shard) => this.of(shard) === broker);
  }

  /** Brokers that lead anything, ascending. */
  brokers(): readonly number[] {
    return [...new Set(Array.from(this.#byShard.values(), ({ broker }) => broker))].sort((a, b) => a - b);
  }

  /** Resolves when `holds`, which is asked now and at each change, is true; false if it is not within `waitMs`. */
  when(holds: () => boolean, waitMs: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    if (waitMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (outcome: boolean): void => {
        cancel();
        this.#waiting.delete(look);
        resolve(outcome);
      };
      const look = (): void => {
        if (holds()) end(true);
      };
      const cancel = this.#timers.after(waitMs, () => {
        end(false);
      });
      this.#waiting.add(look);
    });
  }

  #settle(): void {
    this.#byShard.clear();
    for (const [broker, led] of this.#byBroker) {
      for (const [shard, term] of led) {
        const doubted = this.#doubted.get(shard);
        if (doubted?.broker === broker && doubted.term === term) continue;
        // Of two that claim a shard the one in the later term is right: the other has not heard yet.
        if ((this.#byShard.get(shard)?.term ?? -1) < term) this.#byShard.set(shard, { broker, term });
      }
    }
    for (const look of [...this.#waiting]) look();
  }
}
