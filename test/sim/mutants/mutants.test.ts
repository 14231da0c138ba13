import { describe, expect, test } from "@jest/globals";
import { mutants } from "./mutants.ts";
import { checkFits } from "./plant.ts";
import { runMutant } from "./run-mutant.ts";

// Goal: the simulation sees what it claims to check.
// Method: each planted fault must be found by its recorded seed, or, as the code around it changes what a seed does, by one of those right after it.

const seedsMax = 20;
test("every planted fault fits the code", () => {
  for (const mutant of mutants) expect(() => checkFits(mutant)).not.toThrow();
});

describe("The simulation finds a product that", () => {
  const known = mutants.flatMap((mutant) => (mutant.seed === undefined ? [] : [{ ...mutant, seed: mutant.seed }]));

  test.each(known)(
    "$name (from seed $seed on)",
    async ({ name, seed }) => {
      expect(await runMutant(name, seed, seedsMax)).toMatch(/seed \d+ fails: /);
    },
    600_000,
  );
});
