import type { SeededRandom } from "@saturnmq/kit";
import type { MemoryNet } from "@saturnmq/kit/testing";

/** Which machine reaches which, and how fast. */
export class SimulatedNetwork {
  readonly #net: MemoryNet;
  readonly #random: SeededRandom;
  readonly #names: readonly string[];
  readonly #cut = new Set<string>();
  /** Longest delay of a message, milliseconds. */
  #latencyMaxMs = 1;

  constructor(net: MemoryNet, random: SeededRandom, names: readonly string[]) {
    this.#net = net;
    this.#random = random;
    this.#names = names;
  }

  reaches(from: string, to: string): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }

  /** How long a message takes that is sent now, milliseconds. */
  delayMs(): number {
    return 0.1 + (this.#latencyMaxMs * this.#random.below(1_000)) / 1_000;
  }

  /** Nothing gets from one machine to another any more; the other way it does. */
  cut(from: string, to: string): void {
    if (from === to) return;
    this.#cut.add(`${from}>${to}`);
    this.#net.setWeather(from, to, { cut: true });
  }

  /** Nothing passes between these machines and all others, but for those who are `spared`. */
  separate(some: ReadonlySet<string>, spared: readonly string[] = []): void {
    for (const one of some) {
      for (const other of this.#names) {
        if (some.has(other) || spared.includes(other)) continue;
        this.cut(one, other);
        this.cut(other, one);
      }
    }
  }

  reset(a: string, b: string): void {
    this.#net.reset(a, b);
  }

  heal(): void {
    for (const direction of this.#cut) {
      const [from = "", to = ""] = direction.split(">");
      this.#net.setWeather(from, to, { cut: false });
    }
    this.#cut.clear();
  }

  /** Messages between any two machines take up to so long, milliseconds; there is bandwidth for all. */
  setLatency(maxMs: number): void {
    this.#latencyMaxMs = maxMs;
    const weather = { latencyMinMs: 0.1, latencyMaxMs: 0.1 + maxMs, bytesPerMs: 1_000_000 };
    for (const from of this.#names)
      for (const to of this.#names) if (from !== to) this.#net.setWeather(from, to, weather);
  }

  /** One link alone is slow, both ways, and narrow: messages take half of `maxMs` to all of it and as long as their bytes need. */
  slowLink(a: string, b: string, maxMs: number, bytesPerMs: number): void {
    const weather = { latencyMinMs: maxMs / 2, latencyMaxMs: maxMs, bytesPerMs };
    this.#net.setWeather(a, b, weather);
    this.#net.setWeather(b, a, weather);
  }
}
