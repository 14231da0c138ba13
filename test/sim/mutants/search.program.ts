import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { mutants } from "./mutants.ts";
import { checkFits } from "./plant.ts";

// Looks for the first seed that finds each mutant and prints the table. `make mutants` is this.

const { values: given } = parseArgs({
  options: {
    /** Seeds to look at for each mutant. */
    count: { type: "string", default: "500" },
    /** Only mutants whose name has this in it. */
    only: { type: "string", default: "" },
  },
});

const program = new URL("../seeds.program.ts", import.meta.url).pathname;

/** Runs seeds with a mutant until one fails; that seed and what was found, or `undefined`. */
function findMutant(name: string, seed: number, count: number): Promise<{ seed: number; finding: string } | undefined> {
  const options = [
    "--mutant",
    name,
    "--seed",
    `${seed}`,
    "--count",
    `${count}`,
    "--once",
    "--stride",
    "1",
    "--twice",
    "0",
  ];
  const child = spawn(process.execPath, [program, ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  return new Promise((resolve) => {
    child.on("close", () => {
      const found = /seed (\d+) fails: (.*)/.exec(output);
      resolve(found === null ? undefined : { seed: Number(found[1]), finding: found[2] ?? "" });
    });
  });
}

let missed = 0;
for (const mutant of mutants.filter(({ name }) => name.includes(given.only))) {
  checkFits(mutant);
  const began = performance.now();
  const found = await findMutant(mutant.name, 1, Number(given.count));
  if (found === undefined) missed += 1;
  const seconds = Math.round((performance.now() - began) / 1_000);
  const told = found === undefined ? `not within ${given.count}` : `seed ${found.seed}`;
  console.log(
    `${mutant.name}: ${told} (recorded: ${mutant.seed ?? "none"}), ${seconds} s: ${found?.finding.slice(0, 160) ?? ""}`,
  );
}
process.exitCode = missed === 0 ? 0 : 1;
