import { expect, test } from "@jest/globals";
import { simulate } from "./simulation.ts";

test("smoke", async () => {
  const t = Date.now();
  for (let seed = 1; seed <= 20; seed += 1) console.log(JSON.stringify(await simulate(seed)), Date.now() - t);
  expect(1).toBe(1);
});
