import type { Findings } from "./findings.ts";
import { type History, listOf, type MessageName, nameOf, type Observation, placeOf, type Send } from "./history.ts";

/** Where a message was seen. */
export type Place = { readonly queue: number | undefined; readonly offset: number };

/** What all observations of a history together say. */
export type Places = {
  readonly sends: ReadonlyMap<string, Send>;
  /** Places of each send that was seen, by its name, each once. Those without a queue only where no other says the same offset. */
  readonly of: ReadonlyMap<string, readonly Place[]>;
  /** What each offset of each queue holds: the name of a send, or what it is instead. */
  readonly held: ReadonlyMap<number, ReadonlyMap<number, string>>;
  /** Names of the sends that are there at the end: in every reading, or, in a history without one, seen by anybody. */
  readonly lasting: ReadonlySet<string>;
  /** The highest offset of each queue at which anything was seen. */
  readonly lastOf: ReadonlyMap<number, number>;
};

/** Looks at everything that anybody saw: is it what was sent, and is it the same for all? */
export function placesOf(history: History, findings: Findings): Places {
  const sends = new Map(history.sends.map((send) => [nameOf(send), send]));
  const of = new Map<string, Place[]>();
  const held = new Map<number, Map<number, string>>();
  for (const seen of observations(history)) {
    const holds = contentOf(seen, sends, of, findings);
    if (seen.queue !== undefined) hold(held, seen.queue, seen.offset, holds, findings);
  }
  // Deliveries by clients that tell no queue come last, so a place with a queue is known by now.
  for (const { queue, offset, content } of history.deliveries) {
    if (queue !== undefined || content.kind !== "message") continue;
    const places = listOf(of, nameOf(content));
    if (!places.some((place) => place.offset === offset)) places.push({ queue, offset });
  }
  const lastOf = new Map([...held].map(([queue, offsets]) => [queue, lastKey(offsets)]));
  for (const [queue, offsets] of held)
    findGaps(queue, offsets, lastOf.get(queue) ?? -1, history.expired.get(queue) ?? 0, findings);
  return { sends, of, held, lasting: lastingOf(history, of), lastOf };
}

function* observations(history: History): Iterable<Observation> {
  for (const { reads } of history.readings) yield* reads;
  for (const { reads } of history.replicas) yield* reads;
  yield* history.deliveries;
}

/** What an observation holds, in a word that is equal for equal things. Judges each thing once. */
function contentOf(
  seen: Observation,
  sends: ReadonlyMap<string, Send>,
  of: Map<string, Place[]>,
  findings: Findings,
): string {
  const { content, queue, offset } = seen;
  if (content.kind === "corrupted") {
    findings.add("corrupted", `${placeOf(seen)} ${content.why}`);
    return content.why;
  }
  const name = nameOf(content);
  const isFirst = !of.has(name);
  const places = listOf(of, name);
  if (queue !== undefined && !places.some((place) => place.queue === queue && place.offset === offset))
    places.push({ queue, offset });
  if (isFirst) judge(content, seen, sends.get(name), findings);
  return name;
}

function judge(name: MessageName, seen: Observation, send: Send | undefined, findings: Findings): void {
  if (send === undefined) findings.add("phantom", `${placeOf(seen)} holds ${nameOf(name)}, which was never sent`);
  else if (send.outcome.kind === "fail")
    findings.add("g1a", `${placeOf(seen)} holds ${nameOf(name)}, which was refused`);
}

function hold(
  held: Map<number, Map<number, string>>,
  queue: number,
  offset: number,
  holds: string,
  findings: Findings,
): void {
  let offsets = held.get(queue);
  if (offsets === undefined) {
    offsets = new Map();
    held.set(queue, offsets);
  }
  const before = offsets.get(offset);
  if (before === undefined) offsets.set(offset, holds);
  else if (before !== holds)
    findings.add("inconsistentOffsets", `${placeOf({ queue, offset })} holds ${before} for one, ${holds} for another`);
}

/** What was delivered once must still be there for a group that reads later, unless it expired. */
function lastingOf({ readings }: History, of: ReadonlyMap<string, unknown>): ReadonlySet<string> {
  const [first, ...others] = readings.map(({ reads }) => {
    return new Set(reads.flatMap(({ content }) => (content.kind === "message" ? [nameOf(content)] : [])));
  });
  return new Set([...(first ?? of.keys())].filter((name) => others.every((names) => names.has(name))));
}

function lastKey(offsets: ReadonlyMap<number, string>): number {
  let last = -1;
  for (const offset of offsets.keys()) last = Math.max(last, offset);
  return last;
}

/** A queue begins at 0, or where retention has left it. */
function findGaps(
  queue: number,
  offsets: ReadonlyMap<number, string>,
  last: number,
  first: number,
  findings: Findings,
): void {
  for (let offset = first; offset < last; offset += 1) {
    if (!offsets.has(offset)) findings.add("gap", `${placeOf({ queue, offset })} holds nothing, and ${last} something`);
  }
}
