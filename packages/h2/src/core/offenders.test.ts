import { expect, test } from "@jest/globals";
import { penalty } from "./limits.ts";
import { neighbourhood, Offenders } from "./offenders.ts";

const address = "192.0.2.1";

test("a few offences are free, each further one doubles the wait, up to the longest", () => {
  const offenders = new Offenders();
  const waits = Array.from({ length: penalty.free + 10 }, () => {
    offenders.blame(address, 0);
    return offenders.waitMs(address, 0);
  });
  expect(waits.slice(0, penalty.free)).toEqual(Array(penalty.free).fill(0));
  for (const [n, waitMs] of waits.slice(penalty.free).entries())
    expect(waitMs).toBe(Math.min(penalty.longestMs, penalty.firstMs * 2 ** n));
  expect(waits.at(-1)).toBe(penalty.longestMs);
  expect(offenders.waitMs("192.0.2.2", 0)).toBe(0);
});

test("an offence is forgiven with time, and no number of them takes longer than the longest wait is worth", () => {
  const offenders = new Offenders();
  for (let n = 0; n < 1_000; n += 1) offenders.blame(address, 0);
  expect(offenders.waitMs(address, penalty.forgiveMs)).toBeGreaterThan(0);
  expect(offenders.waitMs(address, 10 * penalty.forgiveMs)).toBe(0);
});

test("as many addresses are known as the bound says, and the oldest is forgotten first", () => {
  const offenders = new Offenders();
  const blameOften = (who: string): void => {
    for (let n = 0; n <= penalty.free; n += 1) offenders.blame(who, 0);
  };
  blameOften("first");
  blameOften("second");
  blameOften("first");
  for (let n = 1; n < penalty.addressesMax; n += 1) offenders.blame(`other ${n}`, 0);
  expect(offenders.waitMs("second", 0)).toBe(0);
  expect(offenders.waitMs("first", 0)).toBeGreaterThan(0);
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::6", "2001:db8:0:0"],
  ["2001:db8:1:2::", "2001:db8:1:2"],
  ["::1", "0:0:0:0"],
  ["::", "0:0:0:0"],
])("%s lives in %s", (whole, key) => {
  expect(neighbourhood(whole)).toBe(key);
});
