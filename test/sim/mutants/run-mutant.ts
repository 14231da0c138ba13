import { spawn } from "node:child_process";

const program = new URL("../seeds.program.ts", import.meta.url).pathname;

/** Runs up to `count` seeds, from `seed` on, with a mutant planted, until one fails. Resolves to all that was printed. */
export function runMutant(name: string, seed: number, count: number): Promise<string> {
  const seeds = ["--seed", `${seed}`, "--count", `${count}`, "--stride", "1"];
  const options = ["--mutant", name, ...seeds, "--twice", "0", "--once"];
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
