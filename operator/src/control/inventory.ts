import type { Clock } from "@saturnmq/kit";

/** For so long a list is as good as a new one, milliseconds: what else changes a cluster is told of at the next look, a little later. */
const freshMs = 5_000;

type Listed<Found> = { readonly atMs: number; readonly byName: Promise<Map<string, Found>> };

/**
 * What a cluster has of one kind, by name. A thousand declarations that are looked at within seconds share one list; what this process itself makes or
 * removes is known at once.
 */
export class Inventory<Found extends { readonly name: string }> {
  readonly #clock: Clock;
  readonly #list: () => Promise<readonly Found[]>;
  #listed: Listed<Found> | undefined;

  /** @param list asks the cluster for all there are */
  constructor(clock: Clock, list: () => Promise<readonly Found[]>) {
    this.#clock = clock;
    this.#list = list;
  }

  /** What is there under a name, as of at most five seconds ago. Rejects with what asking failed with. */
  async find(name: string): Promise<Found | undefined> {
    const now = this.#clock.monoMs();
    if (this.#listed === undefined || now - this.#listed.atMs >= freshMs) this.#listed = this.#ask(now);
    return (await this.#listed.byName).get(name);
  }

  /** It was made just now: a list that is on its way may lack it. */
  made(found: Found): void {
    this.#listed?.byName.then(
      (byName) => byName.set(found.name, found),
      () => undefined,
    );
  }

  /** Something may have come or gone since it was asked for: the next one who looks asks anew, whatever is on its way. */
  outdated(): void {
    this.#listed = undefined;
  }

  #ask(atMs: number): Listed<Found> {
    const byName = this.#list().then((all) => new Map(all.map((found) => [found.name, found])));
    const listed: Listed<Found> = { atMs, byName };
    byName.catch(() => {
      if (this.#listed === listed) this.#listed = undefined;
    });
    return listed;
  }
}
