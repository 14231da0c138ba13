import { spawn } from "node:child_process";
import { describe, expect, test } from "@jest/globals";
import { mutants } from "./mutants.ts";
import { checkFits } from "./plant.ts";

// Goal: the simulation sees what it claims to check.
// Method: each planted fault must be found by its recorded seed, or, as the code around it changes what a seed does, by one of those right after it.

const seedsMax = 20;
const program = new URL("../seeds.program.ts", import.meta.url).pathname;

function run(name: string, seed: number): Promise<string> {
  const options = [
    "--mutant",
    name,
    "--seed",
    `${seed}`,
    "--count",
    `${seedsMax}`,
    "--stride",
    "1",
    "--twice",
    "0",
    "--once",
  ];
  const child = spawn(process.execPath, [program, ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  return new Promise((resolve) => {
    child.on("close", () => resolve(output));
  });
}

test("every planted fault fits the code", () => {
  for (const mutant of mutants) expect(() => checkFits(mutant)).not.toThrow();
});

describe("The simulation finds a product that", () => {
  const known = mutants.flatMap((mutant) => (mutant.seed === undefined ? [] : [{ ...mutant, seed: mutant.seed }]));

  test.each(known)(
    "$name (from seed $seed on)",
    async ({ name, seed }) => {
      expect(await run(name, seed)).toMatch(/seed \d+ fails: /);
    },
    600_000,
  );
});
