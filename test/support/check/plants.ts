import { defined, type SeededRandom } from "@saturnmq/kit";
import type { AnomalyKind } from "./findings.ts";
import {
  type Content,
  type Delivery,
  type History,
  type MessageName,
  nameOf,
  type Observation,
  type Read,
  type Send,
} from "./history.ts";

/** Changes a history so that it shows one anomaly; `undefined` when this one gives no occasion. */
export type Plant = (history: History, random: SeededRandom) => History | undefined;

export const isOk = ({ outcome }: Send): boolean => outcome.kind === "ok";

export const plants: Readonly<Record<AnomalyKind, Plant>> = {
  lostWrite: (history, random) => {
    const victims = history.sends.filter((send) => isOk(send) && hasLater(history, send));
    return pick(victims, random, (send) => withoutSend(history, send));
  },
  unseen: (history, random) => {
    const victims = history.sends.filter(
      (send) => isOk(send) && isLastOfItsProducer(history, send) && isLastOfItsQueue(history, send),
    );
    return pick(victims, random, (send) => withoutSend(history, send));
  },
  undelivered: (history, random) => {
    const delivered = history.deliveries.filter((delivery) => !isGrouped(history, delivery));
    return pick(delivered, random, ({ content }) => ({
      ...history,
      deliveries: history.deliveries.filter((other) => !isSame(other.content, content)),
    }));
  },
  phantom: (history, random) =>
    pick(history.sends.filter(isOk), random, (send) => withContent(history, send, { producer: 99, sequence: 0 })),
  g1a: (history, random) =>
    pick(history.sends.filter(isOk), random, (send) => withOutcome(history, send, { kind: "fail" })),
  corrupted: (history, random) =>
    pick(readsOf(history), random, (read) =>
      withRead(history, read, { ...read, content: { kind: "corrupted", why: "differs from what was sent" } }),
    ),
  inconsistentOffsets: (history, random) =>
    pick(readsOf(history), random, (read) => {
      const other = readsOf(history).find(({ content }) => !isSame(content, read.content));
      return other && withRead(history, read, { ...read, content: other.content });
    }),
  gap: (history, random) =>
    pick(
      readsOf(history).filter(({ queue, offset }) =>
        readsOf(history).some((read) => read.queue === queue && read.offset > offset),
      ),
      random,
      (read) =>
        mapObservations(history, (seen) =>
          seen.queue === read.queue && seen.offset === read.offset ? undefined : seen,
        ),
    ),
  duplicate: (history, random) =>
    pick(
      history.sends.filter((send) => isOk(send) && send.repeats === 0),
      random,
      (send) => {
        const queue = 0;
        const offset = readsOf(history).filter((read) => read.queue === queue).length;
        return withReads(history, [
          ...readsOf(history),
          { queue, offset, batch: 1e6, content: { kind: "message", ...send } },
        ]);
      },
    ),
  moved: (history, random) =>
    pick(history.sends.filter(isOk), random, (send) => withOutcome(history, send, { kind: "ok", offset: 1e6 })),
  nonmonotonicSend: (history, random) => {
    const pairs = pairsOfOneQueue(history);
    return pick(pairs, random, ([first, second]) => {
      if (first.outcome.kind !== "ok" || second.outcome.kind !== "ok") return undefined;
      const [a, b] = [first.outcome, second.outcome];
      const swapped = new Map([
        [nameOf(first), nameOf(second)],
        [nameOf(second), nameOf(first)],
      ]);
      const sent = withOutcome(withOutcome(history, first, b), second, a);
      return mapObservations(sent, (seen) => {
        const to = seen.content.kind === "message" ? swapped.get(nameOf(seen.content)) : undefined;
        const target = to === nameOf(first) ? first : second;
        return to === undefined ? seen : { ...seen, content: contentOf(target) };
      });
    });
  },
  pollSkip: (history, random) =>
    pick(boundaries(history, false), random, (at) =>
      withReads(history, moved(readsOf(history), at, readsOf(history).length)),
    ),
  intPollSkip: (history, random) => {
    const reads = readsOf(history);
    const inside = boundaries(history, true).filter((at) => reads[at - 1]?.batch === reads[at]?.batch);
    return pick(inside, random, (at) => withReads(history, swapped(reads, at)));
  },
  nonmonotonicPoll: (history, random) =>
    pick(boundaries(history, false), random, (at) =>
      withReads(history, moved(readsOf(history), at, readsOf(history).length)),
    ),
  intNonmonotonicPoll: (history, random) =>
    pick(boundaries(history, true), random, (at) => withReads(history, swapped(readsOf(history), at))),
  ackedRedelivered: (history, random) => {
    const acked = history.settlements.filter(({ kind, outcome }) => kind === "ack" && outcome === "ok");
    return pick(acked, random, (ack) => {
      const delivery = history.deliveries.find((one) => one.receive === ack.receive && one.position === ack.position);
      const again = delivery && {
        ...delivery,
        receive: 1e6,
        invokedMs: ack.endedMs + 1,
        receivedMs: ack.endedMs + 2,
        attempt: delivery.attempt + 1,
      };
      return again && { ...history, deliveries: [...history.deliveries, again] };
    });
  },
  leaseOverlap: (history, random) => {
    const quiet = history.deliveries.filter((delivery) => isQuiet(history, delivery));
    return pick(quiet, random, (delivery) => {
      const again = {
        ...delivery,
        receive: 1e6,
        invokedMs: delivery.receivedMs,
        receivedMs: delivery.receivedMs + 1,
        attempt: delivery.attempt + 1,
      };
      // Nobody may have settled it before.
      const settlements = history.settlements.filter(({ receive }) => receive !== delivery.receive);
      const deliveries = history.deliveries.filter(({ receivedMs }) => receivedMs <= delivery.receivedMs);
      return { ...history, settlements, deliveries: [...deliveries, again], drained: [] };
    });
  },
  attemptNotRising: (history, random) => {
    const twice = history.deliveries.filter((delivery) => {
      const before = earlierOf(history, delivery);
      const isExplained =
        before === undefined ||
        history.disturbances.some(
          ({ fromMs, untilMs }) => fromMs <= delivery.receivedMs && untilMs >= before.invokedMs,
        );
      return !isExplained && before.receivedMs < delivery.invokedMs;
    });
    return pick(twice, random, (delivery) => ({
      ...history,
      deliveries: history.deliveries.map((one) =>
        one === delivery ? { ...one, attempt: earlierOf(history, one)?.attempt ?? 0 } : one,
      ),
    }));
  },
  groupOrder: (history, random) => {
    // A message of a group comes in a receive of its own, before the one ahead of it was even delivered.
    const followers = history.deliveries.filter((delivery) => firstAhead(history, delivery) !== undefined);
    return pick(followers, random, (delivery) => {
      const ahead = defined(firstAhead(history, delivery), "delivery ahead");
      const early = { ...delivery, receive: 1e6, invokedMs: ahead.invokedMs - 20, receivedMs: ahead.invokedMs - 10 };
      return { ...history, deliveries: [...history.deliveries, early] };
    });
  },
  replicaDivergence: (history, random) =>
    pick(readsOf(history), random, (read) => ({
      ...history,
      replicas: history.replicas.map((replica, at) =>
        at === 1 ? { ...replica, reads: replica.reads.filter((one) => one !== read) } : replica,
      ),
    })),
};

function pick<T>(
  from: readonly T[],
  random: SeededRandom,
  use: (chosen: T) => History | undefined,
): History | undefined {
  return from.length === 0 ? undefined : use(defined(from[random.below(from.length)], "choice"));
}

function readsOf({ readings }: History): readonly Read[] {
  return readings[0]?.reads ?? [];
}

function withReads(history: History, reads: readonly Read[]): History {
  return { ...history, readings: [{ reader: "at the end", reads }] };
}

function withRead(history: History, old: Read, fresh: Read): History {
  return withReads(
    history,
    readsOf(history).map((read) => (read === old ? fresh : read)),
  );
}

function withOutcome(history: History, { producer, sequence }: MessageName, outcome: Send["outcome"]): History {
  const changes = (send: Send): boolean => send.producer === producer && send.sequence === sequence;
  return { ...history, sends: history.sends.map((send) => (changes(send) ? { ...send, outcome } : send)) };
}

/** Everything that anybody saw of it is gone. */
export function withoutSend(history: History, send: MessageName): History {
  return mapObservations(history, (seen) => (isSame(seen.content, contentOf(send)) ? undefined : seen));
}

function withContent(history: History, of: MessageName, name: MessageName): History {
  return mapObservations(history, (seen) =>
    isSame(seen.content, contentOf(of)) ? { ...seen, content: contentOf(name) } : seen,
  );
}

export function mapObservations(history: History, change: <T extends Observation>(seen: T) => T | undefined): History {
  const all = <T extends Observation>(list: readonly T[]): T[] => list.map(change).filter((seen) => seen !== undefined);
  return {
    ...history,
    readings: history.readings.map((reading) => ({ ...reading, reads: all(reading.reads) })),
    replicas: history.replicas.map((reading) => ({ ...reading, reads: all(reading.reads) })),
    deliveries: all(history.deliveries),
  };
}

export function contentOf({ producer, sequence }: MessageName): Content {
  return { kind: "message", producer, sequence };
}

export function isSame(one: Content, other: Content): boolean {
  return one.kind === "message" && other.kind === "message" && nameOf(one) === nameOf(other);
}

function hasLater({ sends }: History, { producer, sequence }: Send): boolean {
  return sends.some((send) => isOk(send) && send.producer === producer && send.sequence > sequence);
}

/** Of those that may be there. */
function isLastOfItsProducer({ sends }: History, { producer, sequence }: Send): boolean {
  return !sends.some((send) => send.producer === producer && send.sequence > sequence && send.outcome.kind !== "fail");
}

function isLastOfItsQueue(history: History, send: Send): boolean {
  const reads = readsOf(history);
  const own = reads.filter(({ content }) => isSame(content, contentOf(send)));
  return own.every(({ queue, offset }) => !reads.some((read) => read.queue === queue && read.offset > offset));
}

export function isGrouped({ sends }: History, { content }: Observation): boolean {
  return sends.some((send) => send.messageGroup !== undefined && isSame(content, contentOf(send)));
}

/** Acknowledged sends of one producer that stand in one queue, each at one place. */
function pairsOfOneQueue(history: History): readonly (readonly [Send, Send])[] {
  const placed = history.sends.filter(isOk).flatMap((send) => {
    const at = readsOf(history).filter(({ content }) => isSame(content, contentOf(send)));
    return at.length === 1 && at[0] !== undefined ? [{ send, queue: at[0].queue }] : [];
  });
  return placed.flatMap((first, at) => {
    const second = placed
      .slice(at + 1)
      .find(({ send, queue }) => send.producer === first.send.producer && queue === first.queue);
    return second === undefined ? [] : [[first.send, second.send] as const];
  });
}

/** Positions of reads whose next one is of the same queue, within the same batch or not. */
function boundaries(history: History, within: boolean): readonly number[] {
  const reads = readsOf(history);
  return reads.flatMap((read, at) => {
    const next = reads[at + 1];
    if (next?.queue !== read.queue || (next.batch === read.batch) !== within) return [];
    // What follows in another batch must show the step back as one across batches, too.
    const isAlone = within || reads.filter(({ batch }) => batch === read.batch).at(-1) === read;
    return isAlone ? [at] : [];
  });
}

function moved(reads: readonly Read[], from: number, to: number): readonly Read[] {
  const read = defined(reads[from], "read");
  return [...reads.slice(0, from), ...reads.slice(from + 1, to), { ...read, batch: 1e6 }];
}

function swapped(reads: readonly Read[], at: number): readonly Read[] {
  const [one, two] = [defined(reads[at], "read"), defined(reads[at + 1], "read")];
  return [...reads.slice(0, at), two, one, ...reads.slice(at + 2)];
}

/** Delivered once, long enough, while nothing was down. */
function isQuiet({ deliveries, disturbances }: History, delivery: Delivery): boolean {
  const isOnly = deliveries.filter(({ content }) => isSame(content, delivery.content)).length === 1;
  const isShort = delivery.receivedMs - delivery.invokedMs < delivery.invisibleMs - 60;
  const isCalm = !disturbances.some(
    ({ fromMs, untilMs }) => fromMs <= delivery.receivedMs + 2 && untilMs >= delivery.invokedMs,
  );
  return isOnly && isShort && isCalm;
}

function earlierOf({ deliveries }: History, later: Delivery): Delivery | undefined {
  return deliveries
    .filter(
      (one) =>
        one !== later && one.queue === later.queue && one.offset === later.offset && one.receivedMs < later.receivedMs,
    )
    .at(-1);
}

/** The first delivery of an earlier message of the same message group. */
function firstAhead(history: History, delivery: Delivery): Delivery | undefined {
  const groupOf = ({ content }: Observation): string | undefined =>
    history.sends.find((send) => isSame(content, contentOf(send)))?.messageGroup;
  const messageGroup = groupOf(delivery);
  if (messageGroup === undefined) return undefined;
  return history.deliveries.find((one) => groupOf(one) === messageGroup && one.offset < delivery.offset);
}
