import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { AddressShares } from "./address-shares.ts";

test("an address gets no more than its share, and others theirs all the same", () => {
  const shares = new AddressShares(2);
  expect([1, 2, 3].map(() => shares.take("192.0.2.1"))).toEqual([true, true, false]);
  expect(shares.take("192.0.2.2")).toBe(true);
  shares.release("192.0.2.1");
  expect(shares.take("192.0.2.1")).toBe(true);
});

test("addresses of one IPv6 network of 64 bits share", () => {
  const shares = new AddressShares(1);
  expect(shares.take("2001:db8:0:1::1")).toBe(true);
  expect(shares.take("2001:db8:0:1::2")).toBe(false);
  expect(shares.take("2001:db8:0:2::1")).toBe(true);
});

test("whatever is taken and given back, each holds what it took, and who holds nothing is forgotten", () => {
  const most = 3;
  const step = fc.record({ takes: fc.boolean(), address: fc.constantFrom("192.0.2.1", "192.0.2.2", "192.0.2.3") });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const shares = new AddressShares(most);
      const held = new Map<string, number>();
      for (const { takes, address } of steps) {
        const has = held.get(address) ?? 0;
        if (takes) {
          expect(shares.take(address)).toBe(has < most);
          held.set(address, Math.min(most, has + 1));
        } else if (has > 0) {
          shares.release(address);
          held.set(address, has - 1);
        }
      }
      expect(shares.size).toBe([...held.values()].filter((count) => count > 0).length);
    }),
  );
});
