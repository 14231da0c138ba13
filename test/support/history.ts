/**
 * One send by one producer. `ok`: acknowledged, at `offset` of some queue. `fail`: refused, and the refusal proves that nothing was stored.
 * `info`: unknown; it may have been stored or not, and nothing follows from either.
 */
export type SendOperation = {
  readonly producer: number;
  /** Dense from 0 for each producer; the next send starts only after this one ended. */
  readonly sequence: number;
  readonly outcome:
    | { readonly kind: "ok"; readonly offset: number }
    | { readonly kind: "fail" }
    | { readonly kind: "info" };
};

/** One message as it was read back at the end, in the order of reading. */
export type ReadMessage = { readonly queue: number; readonly offset: number; readonly body: Buffer };

/** Gives what was sent: bodies are made from their names, so that a single changed bit is seen. */
export interface BodyMaker {
  make(producer: number, sequence: number): Buffer;
  /** The name a body claims; `undefined` when it carries none. */
  nameOf(body: Buffer): { readonly producer: number; readonly sequence: number } | undefined;
}

export type AnomalyKind =
  /** Acknowledged, not there. */
  | "lost"
  /** There, never sent, or sent and refused. */
  | "phantom"
  /** Two different readings of one offset of a queue. */
  | "inconsistentOffset"
  /** One send at two places. */
  | "duplicate"
  /** Acknowledged with another offset than the one it is read at. */
  | "moved"
  /** A later send of a producer stands before an earlier one in a queue. */
  | "reordered"
  /** Offsets of a queue were read out of order. */
  | "readOutOfOrder"
  /** An offset below a queue's end holds nothing. */
  | "gap"
  /** The body differs from what was sent. */
  | "corrupted";

export type Anomaly = { readonly kind: AnomalyKind; readonly detail: string };

/**
 * Compares what producers were told with what is there (reliability invariants 1 to 4: nothing acknowledged is lost, nothing else appears,
 * one message an offset for ever, order kept). Empty: no anomaly.
 */
export function checkHistory(
  operations: readonly SendOperation[],
  reads: readonly ReadMessage[],
  bodies: BodyMaker,
): readonly Anomaly[] {
  const history = new Map(operations.map((operation) => [nameOf(operation), operation]));
  const placed = checkReads(reads, history, bodies);
  return [...placed.anomalies, ...findLost(operations, placed.places), ...checkQueues(reads, placed.named)];
}

type Place = { readonly queue: number; readonly offset: number };
type Named = ReadonlyMap<ReadMessage, SendOperation>;
type Placed = { readonly anomalies: Anomaly[]; readonly places: Map<string, Place>; readonly named: Named };

function checkReads(
  reads: readonly ReadMessage[],
  history: ReadonlyMap<string, SendOperation>,
  bodies: BodyMaker,
): Placed {
  const anomalies: Anomaly[] = [];
  const places = new Map<string, Place>();
  const named = new Map<ReadMessage, SendOperation>();
  for (const read of reads) {
    const claimed = bodies.nameOf(read.body);
    if (claimed === undefined) {
      anomalies.push({ kind: "corrupted", detail: `${at(read)} names no send` });
      continue;
    }
    const operation = history.get(nameOf(claimed));
    if (operation === undefined) {
      anomalies.push({ kind: "phantom", detail: `${at(read)} holds ${nameOf(claimed)}, which was never sent` });
      continue;
    }
    if (!bodies.make(claimed.producer, claimed.sequence).equals(read.body)) {
      anomalies.push({ kind: "corrupted", detail: `${at(read)} differs from ${nameOf(claimed)} as sent` });
      continue;
    }
    named.set(read, operation);
    anomalies.push(...checkPlace(read, operation, places));
  }
  return { anomalies, places, named };
}

function checkPlace(read: ReadMessage, operation: SendOperation, places: Map<string, Place>): readonly Anomaly[] {
  const name = nameOf(operation);
  const before = places.get(name);
  if (before !== undefined) {
    const again = before.queue === read.queue && before.offset === read.offset;
    return again ? [] : [{ kind: "duplicate", detail: `${name} is at ${at(before)} and at ${at(read)}` }];
  }
  places.set(name, read);
  if (operation.outcome.kind === "fail")
    return [{ kind: "phantom", detail: `${at(read)} holds ${name}, which was refused` }];
  if (operation.outcome.kind === "ok" && operation.outcome.offset !== read.offset) {
    return [
      { kind: "moved", detail: `${name} was acknowledged at offset ${operation.outcome.offset}, read at ${at(read)}` },
    ];
  }
  return [];
}

function findLost(operations: readonly SendOperation[], places: ReadonlyMap<string, Place>): readonly Anomaly[] {
  const acknowledged = operations.filter(({ outcome }) => outcome.kind === "ok");
  const lost = acknowledged.filter((operation) => !places.has(nameOf(operation)));
  return lost.map((operation) => {
    const later = acknowledged.some(
      (other) =>
        other.producer === operation.producer && other.sequence > operation.sequence && places.has(nameOf(other)),
    );
    const where = later ? "a later one of its producer is there" : "the end of its producer's sends";
    return { kind: "lost", detail: `${nameOf(operation)} was acknowledged and is not there (${where})` };
  });
}

function checkQueues(reads: readonly ReadMessage[], named: Named): readonly Anomaly[] {
  const queues = new Map<number, ReadMessage[]>();
  for (const read of reads) append(queues, read);
  return [...queues.values()].flatMap((queue) => [...checkOffsets(queue), ...checkOrder(queue, named)]);
}

function append(queues: Map<number, ReadMessage[]>, read: ReadMessage): void {
  const queue = queues.get(read.queue);
  if (queue === undefined) queues.set(read.queue, [read]);
  else queue.push(read);
}

/** Each offset once, rising, without a hole. A queue begins at 0: nothing expires during a run. */
function checkOffsets(queue: readonly ReadMessage[]): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  const held = new Map<number, ReadMessage>();
  let last = -1;
  for (const read of queue) {
    const before = held.get(read.offset);
    if (before !== undefined && !before.body.equals(read.body)) {
      anomalies.push({ kind: "inconsistentOffset", detail: `${at(read)} was read with two different bodies` });
    }
    if (before === undefined && read.offset < last) {
      anomalies.push({ kind: "readOutOfOrder", detail: `${at(read)} was read after offset ${last}` });
    }
    held.set(read.offset, read);
    last = Math.max(last, read.offset);
  }
  for (let offset = 0; offset <= last; offset += 1) {
    if (!held.has(offset))
      anomalies.push({ kind: "gap", detail: `queue ${queue[0]?.queue ?? "?"} offset ${offset} holds nothing` });
  }
  return anomalies;
}

function checkOrder(queue: readonly ReadMessage[], named: Named): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  const lastOf = new Map<number, number>();
  for (const read of queue.toSorted((a, b) => a.offset - b.offset)) {
    const operation = named.get(read);
    if (operation === undefined) continue;
    const last = lastOf.get(operation.producer) ?? -1;
    if (operation.sequence < last) {
      anomalies.push({ kind: "reordered", detail: `${at(read)} holds ${nameOf(operation)} after sequence ${last}` });
    }
    lastOf.set(operation.producer, Math.max(last, operation.sequence));
  }
  return anomalies;
}

function nameOf({ producer, sequence }: { readonly producer: number; readonly sequence: number }): string {
  return `send ${producer}/${sequence}`;
}

function at({ queue, offset }: Place): string {
  return `queue ${queue} offset ${offset}`;
}
