import { expect, test } from "@jest/globals";
import { contentOf, SeededBodies } from "./seeded-bodies.ts";

const bodies = new SeededBodies(7, 200);

test("bodies follow from their names, and differ", () => {
  const made = new Set<string>();
  for (let sequence = 0; sequence < 500; sequence += 1) {
    const body = bodies.make(3, sequence);
    expect(contentOf(body, true, bodies)).toEqual({ kind: "message", producer: 3, sequence });
    expect(bodies.make(3, sequence).equals(body)).toBe(true);
    made.add(body.toString("hex"));
  }
  expect(made.size).toBe(500);
});

test("any bit that is flipped is seen", () => {
  const body = bodies.make(1, 2);
  for (let bit = 0; bit < 8 * body.length; bit += 1) {
    const flipped = Buffer.from(body);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(contentOf(flipped, true, bodies).kind).toBe("corrupted");
  }
});

test("a body of an earlier run, of another size, or that does not fit its digest is no message", () => {
  expect(contentOf(new SeededBodies(6, 200).make(2, 1), true, bodies).kind).toBe("corrupted");
  expect(contentOf(bodies.make(2, 1).subarray(0, -1), true, bodies).kind).toBe("corrupted");
  expect(contentOf(Buffer.alloc(0), true, bodies).kind).toBe("corrupted");
  expect(contentOf(bodies.make(2, 1), false, bodies)).toEqual({ kind: "corrupted", why: "does not fit its digest" });
});
