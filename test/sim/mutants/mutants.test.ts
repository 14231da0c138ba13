import { availableParallelism } from "node:os";
import { beforeAll, describe, expect, test } from "@jest/globals";
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
  const outputs = new Map<string, Promise<string>>();

  beforeAll(() => {
    // Each is a process: as many at once as there are processors.
    const lanes = Array.from({ length: availableParallelism() }, () => Promise.resolve(""));
    for (const [at, { name, seed }] of known.entries()) {
      const lane = at % lanes.length;
      const output = (lanes[lane] ?? Promise.resolve("")).then(() => runMutant(name, seed, seedsMax));
      lanes[lane] = output;
      outputs.set(name, output);
    }
  });

  test.each(known)(
    "$name (from seed $seed on)",
    async ({ name }) => {
      expect(await outputs.get(name)).toMatch(/seed \d+ fails: /);
    },
    600_000,
  );
});
