import { parseArgs } from "node:util";
import { mutants } from "./mutants.ts";
import { checkFits } from "./plant.ts";
import { runMutant } from "./run-mutant.ts";

// Looks for the first seed that finds each mutant and prints the table. `make mutants` is this.

const { values: given } = parseArgs({
  options: {
    /** Seeds to look at for each mutant. */
    count: { type: "string", default: "500" },
    /** Only mutants whose name has this in it. */
    only: { type: "string", default: "" },
  },
});

/** The first seed that finds a mutant and what it found, or `undefined`. */
async function findMutant(name: string, count: number): Promise<{ seed: number; finding: string } | undefined> {
  const found = /seed (\d+) fails: (.*)/.exec(await runMutant(name, 1, count));
  return found === null ? undefined : { seed: Number(found[1]), finding: found[2] ?? "" };
}

let missed = 0;
console.log("| planted fault | first seed | recorded | seconds | what was seen |\n|---|---|---|---|---|");
for (const mutant of mutants.filter(({ name }) => name.includes(given.only))) {
  checkFits(mutant);
  const began = performance.now();
  const found = await findMutant(mutant.name, Number(given.count));
  if (found === undefined) missed += 1;
  const seconds = Math.round((performance.now() - began) / 1_000);
  const first = found?.seed ?? `none of ${given.count}`;
  const finding = found?.finding.slice(0, 160).replaceAll("|", "\\|") ?? "";
  console.log(`| ${mutant.name} | ${first} | ${mutant.seed ?? "none"} | ${seconds} | ${finding} |`);
}
process.exitCode = missed === 0 ? 0 : 1;
