/** A step of a chain: `item` goes from one broker to another. */
export type Step = { readonly item: number; readonly from: number; readonly to: number };

/**
 * The shortest chain of steps that takes one from a broker's load and gives it to one with at least two less: loads come closer by it, and those
 * on the way stay as they are. `undefined` when there is none; then no set of steps could make the loads more even (semi-matching: Harvey,
 * Ladner, Lovász, Tamir 2006, theorem 3.1).
 *
 * @param loads of the brokers that may give and take
 * @param stepsFrom what a broker could give, and to whom; in order of preference
 */
export function evenChain(
  loads: ReadonlyMap<number, number>,
  stepsFrom: (from: number) => readonly Step[],
): readonly Step[] | undefined {
  const byLoad = [...loads].sort(([a, loadA], [b, loadB]) => loadB - loadA || a - b);
  const least = byLoad.at(-1)?.[1] ?? 0;
  let best: readonly Step[] | undefined;
  for (const [from, load] of byLoad) {
    if (load < least + 2) break;
    const chain = shortestFrom(from, load - 2, loads, stepsFrom);
    if (chain !== undefined && (best === undefined || chain.length < best.length)) best = chain;
    if (best?.length === 1) break;
  }
  return best;
}

function shortestFrom(
  start: number,
  atMost: number,
  loads: ReadonlyMap<number, number>,
  stepsFrom: (from: number) => readonly Step[],
): readonly Step[] | undefined {
  const reachedBy = new Map<number, Step | undefined>([[start, undefined]]);
  // A map is visited in the order of insertion, what is added on the way included.
  for (const from of reachedBy.keys()) {
    for (const step of stepsFrom(from)) {
      const load = loads.get(step.to);
      if (load === undefined || reachedBy.has(step.to)) continue;
      reachedBy.set(step.to, step);
      if (load <= atMost) return chainTo(step.to, reachedBy);
    }
  }
  return undefined;
}

function chainTo(end: number, reachedBy: ReadonlyMap<number, Step | undefined>): readonly Step[] {
  const chain: Step[] = [];
  for (let step = reachedBy.get(end); step !== undefined; step = reachedBy.get(step.from)) chain.unshift(step);
  return chain;
}
