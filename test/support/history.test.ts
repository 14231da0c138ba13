import { describe, expect, test } from "@jest/globals";
import { type AnomalyKind, checkHistory, type ReadMessage, type SendOperation } from "./history.ts";
import { SeededBodies } from "./seeded-bodies.ts";

const bodies = new SeededBodies(7, 200);
const ok = (producer: number, sequence: number, offset: number): SendOperation => ({
  producer,
  sequence,
  outcome: { kind: "ok", offset },
});
const unknown = (producer: number, sequence: number): SendOperation => ({
  producer,
  sequence,
  outcome: { kind: "info" },
});
const refused = (producer: number, sequence: number): SendOperation => ({
  producer,
  sequence,
  outcome: { kind: "fail" },
});
const read = (queue: number, offset: number, producer: number, sequence: number): ReadMessage => ({
  queue,
  offset,
  body: bodies.make(producer, sequence),
});

const sends = [ok(1, 0, 0), ok(1, 1, 1), ok(2, 0, 0), unknown(2, 1), refused(2, 2), unknown(1, 2)];
const reads = [read(0, 0, 1, 0), read(3, 0, 2, 0), read(0, 1, 1, 1), read(3, 1, 2, 1)];

test("a good history has no anomaly: unknown sends may be there or not", () => {
  expect(checkHistory(sends, reads, bodies)).toEqual([]);
});

describe("a planted anomaly is found", () => {
  test.each<{ anomaly: AnomalyKind; plant: string; operations?: SendOperation[]; found: ReadMessage[] }>([
    { anomaly: "lost", plant: "an acknowledged send at the end is missing", found: reads.filter((_, n) => n !== 2) },
    { anomaly: "lost", plant: "nothing is there at all", found: [] },
    { anomaly: "phantom", plant: "a refused send is there", found: [...reads, read(3, 2, 2, 2)] },
    { anomaly: "phantom", plant: "a message that nobody sent", found: [...reads, read(3, 2, 9, 0)] },
    { anomaly: "inconsistentOffset", plant: "an offset read twice, differently", found: [...reads, read(3, 1, 1, 2)] },
    { anomaly: "duplicate", plant: "a send at two offsets", found: [...reads, read(0, 2, 1, 1)] },
    { anomaly: "moved", plant: "acknowledged at another offset", operations: [ok(1, 0, 5)], found: [read(0, 0, 1, 0)] },
    {
      anomaly: "reordered",
      plant: "a producer's later send stands first",
      operations: [ok(1, 0, 1), ok(1, 1, 0)],
      found: [read(0, 0, 1, 1), read(0, 1, 1, 0)],
    },
    {
      anomaly: "readOutOfOrder",
      plant: "offsets fall",
      found: [reads[2], reads[0], reads[1], reads[3]].flatMap((r) => r ?? []),
    },
    { anomaly: "gap", plant: "an offset holds nothing", operations: [ok(1, 0, 1)], found: [read(0, 1, 1, 0)] },
    {
      anomaly: "corrupted",
      plant: "a bit of the filling is flipped",
      found: reads.map((r, n) => (n === 1 ? flip(r, 21) : r)),
    },
    {
      anomaly: "corrupted",
      plant: "a bit of the name is flipped",
      found: reads.map((r, n) => (n === 1 ? flip(r, 13) : r)),
    },
    {
      anomaly: "corrupted",
      plant: "a message of an earlier run",
      found: [...reads, { queue: 3, offset: 2, body: new SeededBodies(6, 200).make(2, 1) }],
    },
  ])("$anomaly: $plant", ({ anomaly, operations, found }) => {
    const kinds = checkHistory(operations ?? sends, found, bodies).map(({ kind }) => kind);
    expect(kinds).toContain(anomaly);
  });
});

test("a redelivery of the same message is no anomaly", () => {
  expect(checkHistory(sends, [...reads, ...reads.slice(0, 1)], bodies)).toEqual([]);
});

test("bodies follow from their names, and differ", () => {
  const made = new Set<string>();
  for (let sequence = 0; sequence < 500; sequence += 1) {
    const body = bodies.make(3, sequence);
    expect(bodies.nameOf(body)).toEqual({ producer: 3, sequence });
    expect(bodies.make(3, sequence).equals(body)).toBe(true);
    made.add(body.toString("hex"));
  }
  expect(made.size).toBe(500);
});

function flip(message: ReadMessage, byte: number): ReadMessage {
  const body = Buffer.from(message.body);
  body[byte] = (body[byte] ?? 0) ^ 1;
  return { ...message, body };
}
