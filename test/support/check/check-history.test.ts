import { describe, expect, test } from "@jest/globals";
import { defined, SeededRandom } from "@saturnmq/kit";
import fc from "fast-check";
import { checkHistory } from "./check-history.ts";
import type { AnomalyKind } from "./findings.ts";
import type { Observation, Send } from "./history.ts";
import { ModelBroker } from "./model-broker.ts";
import { contentOf, isGrouped, isOk, isSame, mapObservations, type Plant, plants, withoutSend } from "./plants.ts";

// A checker is worth what it finds. Every history of the model must pass, and each anomaly, planted into one of them, must be found in it.

const runs = process.env["SATURNMQ_NIGHTLY"] === "1" ? 5_000 : 300;
const steps = 150;

test("a history of a correct cluster has no anomaly", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      expect(checkHistory(new ModelBroker(seed).live(steps)).anomalies).toEqual([]);
    }),
    { numRuns: runs },
  );
});

test("the model reaches what needs an explanation: repeated sends, lost leases, leases that ran out or were given back", () => {
  const reasons = new Set<string>();
  for (let seed = 0; seed < 50; seed += 1)
    for (const reason of checkHistory(new ModelBroker(seed).live(steps)).explained.keys()) reasons.add(reason);
  expect([...reasons].toSorted()).toEqual([
    "duplicate: its client sent it again while something was down",
    "redelivery: it was given back",
    "redelivery: its lease had run out",
    "redelivery: the lease was lost with a member",
  ]);
});

describe("a planted anomaly is found", () => {
  test.each(Object.entries(plants) as [AnomalyKind, Plant][])("%s", (kind, plant) => {
    let planted = 0;
    for (let seed = 0; seed < 40; seed += 1) {
      const history = plant(new ModelBroker(seed).live(steps), new SeededRandom(seed));
      if (history === undefined) continue;
      planted += 1;
      const kinds = new Set(checkHistory(history).anomalies.map((anomaly) => anomaly.kind));
      expect({ seed, found: kinds.has(kind), kinds: [...kinds] }).toMatchObject({ found: true });
    }
    expect(planted).toBeGreaterThan(10);
  });

  test("a message that was delivered, acknowledged or not, and is gone afterwards", () => {
    const history = new ModelBroker(1).live(steps);
    for (const kind of ["ok", "info"]) {
      const known = history.sends.filter(({ outcome }) => outcome.kind === kind);
      const gone = defined(
        known.find((send) => history.deliveries.some(({ content }) => isSame(content, contentOf(send)))),
        `delivered send with outcome ${kind}`,
      );
      const { readings, replicas } = withoutSend(history, gone);
      const found = checkHistory({ ...history, readings, replicas }).anomalies.filter(
        (one) => one.kind === "lostWrite",
      );
      expect(found.map(({ detail }) => detail)).toEqual([expect.stringContaining("was delivered at")]);
    }
  });

  test("a delivery within a lease that a client was told is renewed, though a member was lost meanwhile", () => {
    const content = { kind: "message", producer: 0, sequence: 0 } as const;
    const place = { consumerGroup: "g", queue: 0, offset: 0, position: 0, content, invisibleMs: 1_000 };
    const first = { ...place, receive: 1, attempt: 1, invokedMs: 0, receivedMs: 10 };
    const again = { ...place, receive: 2, attempt: 2, invokedMs: 1_500, receivedMs: 2_000 };
    const renewal = {
      kind: "release",
      consumerGroup: "g",
      receive: 1,
      position: 0,
      invokedMs: 500,
      endedMs: 510,
    } as const;
    const found = (changes: object, later = again): readonly AnomalyKind[] =>
      checkHistory({
        deliveries: [first, later],
        settlements: [{ ...renewal, outcome: "ok", renewedMs: 3_000, ...changes }],
        disturbances: [{ what: "kill", fromMs: 0, untilMs: 10_000 }],
      })
        .anomalies.map(({ kind }) => kind)
        .filter((kind) => kind === "leaseOverlap");
    expect(found({})).toEqual(["leaseOverlap"]);
    // Nobody was told so, the renewed lease was over, or the delivery may have been decided before.
    expect(found({ outcome: "info" })).toEqual([]);
    expect(found({}, { ...again, invokedMs: 3_400, receivedMs: 3_600 })).toEqual([]);
    expect(found({}, { ...again, invokedMs: 505 })).toEqual([]);
  });

  test("a message group in two queues", () => {
    const history = new ModelBroker(1).live(steps);
    const send = defined(
      history.sends.find((one) => one.messageGroup !== undefined && isOk(one)),
      "grouped send",
    );
    const elsewhere = mapObservations(history, (seen) =>
      isSame(seen.content, contentOf(send)) && seen.queue !== undefined ? { ...seen, queue: seen.queue + 1 } : seen,
    );
    expect(checkHistory(elsewhere).anomalies.map(({ kind }) => kind)).toContain("groupOrder");
  });

  test("a group's message that never came while later ones did", () => {
    const history = new ModelBroker(1).live(steps);
    const [first] = history.deliveries.filter((delivery) => isGrouped(history, delivery));
    const deliveries = history.deliveries.filter(({ content }) => !isSame(content, defined(first, "delivery").content));
    expect(checkHistory({ ...history, deliveries }).anomalies.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["groupOrder", "undelivered"]),
    );
  });

  test("where a lost write stood among its producer's", () => {
    const history = new ModelBroker(3).live(steps);
    const acknowledged = history.sends.filter((send) => isOk(send) && send.producer === 0);
    const told = (lost: readonly Send[]): string[] =>
      checkHistory(lost.reduce(withoutSend, history)).anomalies.flatMap(({ kind, detail }) =>
        kind === "lostWrite" || kind === "unseen" ? [detail] : [],
      );
    expect(told(acknowledged.slice(0, 1)).join()).toMatch(/prefix/);
    expect(told(acknowledged.slice(2, 3)).join()).toMatch(/middle/);
    expect(told(acknowledged.slice(-1)).join()).toMatch(/postfix/);
    expect(told(acknowledged).join()).toMatch(/all/);
  });
});

describe("what has an explanation loses it", () => {
  test("a duplicate, when its client did not send it again", () => {
    const histories = Array.from({ length: 20 }, (_, seed) => new ModelBroker(seed).live(steps));
    const found = (change: (send: Send) => Send): boolean =>
      histories.some((history) => {
        const { anomalies } = checkHistory({ ...history, sends: history.sends.map(change) });
        return anomalies.some(({ kind }) => kind === "duplicate");
      });
    expect(found((send) => send)).toBe(false);
    expect(found((send) => ({ ...send, repeats: 0 }))).toBe(true);
  });

  test("a lost lease, when nothing was down", () => {
    const kinds = Array.from({ length: 20 }, (_, seed) =>
      checkHistory({ ...new ModelBroker(seed).live(steps), disturbances: [] }),
    );
    expect(kinds.some(({ anomalies }) => anomalies.some(({ kind }) => kind === "leaseOverlap"))).toBe(true);
  });

  test("a lost lease, of a group whose leases are durable before anything is delivered", () => {
    const kinds = Array.from({ length: 20 }, (_, seed) => {
      const history = new ModelBroker(seed).live(steps);
      return checkHistory({ ...history, locked: history.drained });
    });
    expect(kinds.some(({ anomalies }) => anomalies.some(({ kind }) => kind === "leaseOverlap"))).toBe(true);
  });
});

describe("what retention took", () => {
  const history = new ModelBroker(1).live(steps);
  const first = 3;
  const kept = history.readings.map(({ reader, reads }) => ({
    reader,
    reads: reads.filter(({ offset }) => offset >= first),
  }));
  const sends = history.sends.map((send): Send => {
    const queue = history.readings[0]?.reads.find(({ content }) => isSame(content, contentOf(send)))?.queue;
    return queue === undefined || send.outcome.kind !== "ok" ? send : { ...send, outcome: { ...send.outcome, queue } };
  });
  const queues = new Set(history.readings.flatMap(({ reads }) => reads.map(({ queue }) => queue)));
  const expiredBelow = (offset: number): Map<number, number> => new Map([...queues].map((queue) => [queue, offset]));
  const after = { ...history, sends, readings: kept, replicas: [] };

  test("is not lost", () => {
    expect(checkHistory({ ...after, expired: expiredBelow(first) }).anomalies).toEqual([]);
  });

  test("is lost when it took more than it says", () => {
    const kinds = checkHistory({ ...after, expired: expiredBelow(first - 1) }).anomalies.map(({ kind }) => kind);
    expect(kinds).toContain("lostWrite");
  });
});

describe("clients that tell no queue", () => {
  test("are checked by offset", () => {
    const history = new ModelBroker(2).live(steps);
    const blind = <T extends Observation>(seen: T): T => ({ ...seen, queue: undefined });
    const told = { ...history, deliveries: history.deliveries.map(blind) };
    expect(checkHistory(told).anomalies).toEqual([]);
    const again = plants.ackedRedelivered(told, new SeededRandom(1));
    expect(checkHistory(defined(again, "history")).anomalies.map(({ kind }) => kind)).toEqual(["ackedRedelivered"]);
  });

  test("get messages of one offset of two queues in one receive, and the ack of one is not the other's", () => {
    const [first, second] = [0, 1].map((producer) => contentOf({ producer, sequence: 0 }));
    const sends = [0, 1].map((producer): Send => {
      return { producer, sequence: 0, invokedMs: 0, endedMs: 1, outcome: { kind: "ok", offset: 4 } };
    });
    const delivered = {
      consumerGroup: "blind",
      queue: undefined,
      offset: 4,
      invisibleMs: 100,
      invokedMs: 2,
      receivedMs: 3,
    };
    const settled = { kind: "ack", consumerGroup: "blind", receive: 1, invokedMs: 4, endedMs: 5 } as const;
    const anomalies = (acked: number): readonly string[] =>
      checkHistory({
        sends,
        deliveries: [
          { ...delivered, receive: 1, position: 0, attempt: 1, content: defined(first, "content") },
          { ...delivered, receive: 1, position: 1, attempt: 1, content: defined(second, "content") },
          {
            ...delivered,
            receive: 2,
            position: 0,
            attempt: 2,
            content: defined(second, "content"),
            invokedMs: 300,
            receivedMs: 301,
          },
        ],
        settlements: [0, 1].map((position) => ({ ...settled, position, outcome: position === acked ? "ok" : "info" })),
      }).anomalies.map(({ kind }) => kind);
    expect(anomalies(0)).toEqual([]);
    expect(anomalies(1)).toEqual(["ackedRedelivered"]);
  });
});
