import { spawn } from "node:child_process";
import { describe, expect, test } from "@jest/globals";
import { mutants } from "./mutants.ts";
import { checkFits } from "./plant.ts";

// Goal: the simulation sees what it claims to check.
// Method: each planted fault must be found by its recorded seed. When the code around it has changed so that another seed finds it, `make mutants` tells which.

const program = new URL("../seeds.program.ts", import.meta.url).pathname;

function run(name: string, seed: number): Promise<string> {
  const options = ["--mutant", name, "--seed", `${seed}`, "--twice", "0", "--once"];
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
    "$name (seed $seed)",
    async ({ name, seed }) => {
      expect(await run(name, seed)).toContain(`seed ${seed} fails: `);
    },
    180_000,
  );
});
