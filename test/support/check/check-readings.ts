import type { Findings } from "./findings.ts";
import { type History, nameOf, placeOf, type Read, type Reading } from "./history.ts";
import type { Places } from "./places.ts";

/** Each reader gets each queue's offsets in order and leaves none out that anybody saw. Getting one again is no anomaly. */
export function checkReadings({ readings, expired }: History, places: Places, findings: Findings): void {
  for (const reading of readings) checkReading(reading, places, expired, findings);
}

function checkReading(
  { reader, reads }: Reading,
  { held }: Places,
  expired: History["expired"],
  findings: Findings,
): void {
  const queues = new Map<number, { last: number; batch: number; seen: Set<number> }>();
  for (const read of reads) {
    const queue = queues.get(read.queue) ?? {
      last: (expired.get(read.queue) ?? 0) - 1,
      batch: -1,
      seen: new Set<number>(),
    };
    queues.set(read.queue, queue);
    const isWithin = read.batch === queue.batch;
    queue.batch = read.batch;
    if (queue.seen.has(read.offset)) continue;
    queue.seen.add(read.offset);
    if (read.offset < queue.last)
      findings.add(
        isWithin ? "intNonmonotonicPoll" : "nonmonotonicPoll",
        `${reader}: ${told(read)} after ${queue.last}`,
      );
    const skipped = firstSkipped(queue.last, read.offset, held.get(read.queue));
    if (skipped !== undefined)
      findings.add(
        isWithin ? "intPollSkip" : "pollSkip",
        `${reader}: ${told(read)} after ${queue.last}, not ${skipped}`,
      );
    queue.last = Math.max(queue.last, read.offset);
  }
}

function firstSkipped(last: number, next: number, held: ReadonlyMap<number, string> | undefined): number | undefined {
  for (let offset = last + 1; offset < next; offset += 1) if (held?.has(offset) === true) return offset;
  return undefined;
}

/** Replicas hold the same: at each offset, and as many of them. */
export function checkReplicas({ replicas }: History, findings: Findings): void {
  const [first, ...others] = replicas;
  if (first === undefined) return;
  const expected = heldBy(first);
  for (const other of others) {
    const held = heldBy(other);
    for (const place of new Set([...expected.keys(), ...held.keys()])) {
      const [here, there] = [expected.get(place), held.get(place)];
      if (here === there) continue;
      const detail = `${place}: ${first.reader} holds ${here ?? "nothing"}, ${other.reader} holds ${there ?? "nothing"}`;
      findings.add("replicaDivergence", detail);
    }
  }
}

function heldBy({ reads }: Reading): Map<string, string> {
  return new Map(reads.map((read) => [placeOf(read), contentOf(read)]));
}

function told(read: Read): string {
  return `${placeOf(read)} was read`;
}

function contentOf({ content }: Read): string {
  return content.kind === "message" ? nameOf(content) : content.why;
}
