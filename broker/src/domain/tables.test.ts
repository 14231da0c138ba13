import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { DoneBits } from "./done-bits.ts";
import { KeyTable } from "./key-table.ts";

test("a key table answers as a map does", () => {
  const key = fc.tuple(fc.constantFrom(0, 1, 2 ** 32 - 1), fc.oneof(fc.nat(40), fc.constantFrom(2 ** 32, 2 ** 53 - 1)));
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 200, size: "max" }), (steps) => {
      let table = new KeyTable();
      const naive = new Map<string, number>();
      steps.forEach(([[a, b], add], row) => {
        const name = `${a}/${b}`;
        if (add && !naive.has(name)) {
          table.add(a, b, row);
          naive.set(name, row);
        } else if (!add && naive.delete(name)) {
          table.remove(a, b);
        }
        if (row === 100) table = table.copy();
        expect(table.count).toBe(naive.size);
      });
      for (const [[a, b]] of steps) expect(table.get(a, b)).toBe(naive.get(`${a}/${b}`) ?? -1);
    }),
  );
});

test.each([0, 31, 2 ** 31 - 5, 2 ** 32 - 1, 2 ** 53 - 4_000])(
  "finished offsets from %d on are kept as a set keeps them",
  (base) => {
    const step = fc.record({ add: fc.nat(700), advance: fc.option(fc.nat(90)) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const bits = new DoneBits(base);
        const naive = new Set<number>();
        let floor = base;
        for (const { add, advance } of steps) {
          expect(bits.add(floor + add)).toBe(!naive.has(floor + add));
          naive.add(floor + add);
          floor += advance ?? 0;
          bits.advance(floor);
          for (const offset of naive) if (offset < floor) naive.delete(offset);
          let clear = floor;
          while (naive.has(clear)) clear += 1;
          expect(bits.nextClear(floor)).toBe(clear);
          expect(bits.nextSet(floor, floor + 1_000)).toBe(Math.min(floor + 1_000, ...naive));
          expect(bits.countIn(floor, floor + 50)).toBe([...naive].filter((offset) => offset < floor + 50).length);
        }
        for (const offset of naive) expect(bits.copy().has(offset)).toBe(true);
      }),
    );
  },
);
