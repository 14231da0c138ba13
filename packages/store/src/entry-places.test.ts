import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { EntryPlaces } from "./entry-places.ts";

type Step =
  | { readonly kind: "push"; readonly count: number }
  | { readonly kind: "truncate"; readonly back: number }
  | { readonly kind: "restart"; readonly jump: number; readonly kept: number }
  | { readonly kind: "seal"; readonly count: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("push" as const), count: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ kind: fc.constant("truncate" as const), back: fc.integer({ min: 1, max: 20 }) }),
    fc.record({
      kind: fc.constant("restart" as const),
      jump: fc.integer({ min: 1, max: 30 }),
      kept: fc.integer({ min: 0, max: 40 }),
    }),
    fc.record({ kind: fc.constant("seal" as const), count: fc.integer({ min: 1, max: 60 }) }),
  ),
  { maxLength: 25 },
);

/** The same on a plain map. */
class Plain {
  readonly held = new Map<number, number>();
  first = 1;
  next = 1;
  #stamp = 0;

  take(step: Step, places: EntryPlaces): void {
    if (step.kind === "push")
      for (let count = 0; count < step.count; count += 1) {
        this.#stamp += 1;
        this.held.set(this.next, this.#stamp);
        places.push(this.#stamp + 3, this.#stamp, this.#stamp + 1, this.#stamp + 2);
        this.next += 1;
      }
    else if (step.kind === "truncate") {
      const from = Math.max(this.first, this.next - step.back);
      for (let index = from; index < this.next; index += 1) this.held.delete(index);
      this.next = from;
      places.truncate(from);
    } else if (step.kind === "restart") {
      const keptTo = Math.max(0, this.next - 1 - step.kept);
      for (const index of this.held.keys()) if (index > keptTo) this.held.delete(index);
      this.next += step.jump;
      this.first = this.next;
      places.restart(this.next, keptTo);
    } else {
      const below = [...this.held.keys()].sort((a, b) => a - b)[step.count - 1] ?? 0;
      for (const index of this.held.keys()) if (index <= below) this.held.delete(index);
      this.first = Math.max(this.first, Math.min(below + 1, this.next));
      places.dropBelow(below + 1);
    }
  }
}

describe("places of unsealed entries", () => {
  test("are those of a plain map, whatever is appended, discarded, restarted and sealed", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const places = new EntryPlaces();
        const plain = new Plain();
        for (const step of taken) {
          plain.take(step, places);
          for (let index = 1; index <= plain.next + 1; index += 1) {
            const stamp = plain.held.get(index);
            expect([index, places.has(index)]).toEqual([index, stamp !== undefined]);
            if (stamp !== undefined)
              expect([places.segment(index), places.offset(index), places.length(index), places.term(index)]).toEqual([
                stamp,
                stamp + 1,
                stamp + 2,
                stamp + 3,
              ]);
          }
          expect(places.empty).toBe(plain.held.size === 0);
        }
      }),
      { numRuns: 60 },
    );
  });
});
