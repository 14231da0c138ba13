import { spawn } from "node:child_process";
import { describe, expect, test } from "@jest/globals";

// Goal: what SaturnMQ promises, under every fault that one machine can simulate, on the code that ships.
// Method: a fixed share of the seeds that `make sim` runs; a failure prints the command that repeats it.

const program = new URL("seeds.program.ts", import.meta.url).pathname;
const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";

type Ended = { readonly code: number | null; readonly output: string };

function run(...options: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, output }));
  });
}

describe("A simulated cluster", () => {
  const count = nightly ? 500 : 12;

  test(`keeps its promises under faults (${count} seeds)`, async () => {
    const { code, output } = await run("--count", `${count}`, "--twice", "12");
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining(`${count} seeds hold, 0 fail`) });
    // The runs did reach what they claim to check.
    for (const fault of [
      "kill",
      "powerCut",
      "powerCutAll",
      "suspend",
      "split",
      "cutOneWay",
      "badWrite",
      "wipe",
      "shrink",
    ])
      expect(output).toContain(`x ${fault}`);
  }, 1_800_000);

  test("loses nothing when the power goes everywhere at once, again and again", async () => {
    const { code, output } = await run("--seed", "2", "--count", "2", "--power-cuts");
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining("2 seeds hold, 0 fail") });
    expect(output).toMatch(/[1-9]\d* x powerCutAll/);
  }, 300_000);

  test("that does not sync its logs is caught by the same power cuts", async () => {
    const { code, output } = await run("--seed", "2", "--sync-off");
    expect(code).toBe(1);
    expect(output).toMatch(/acknowledged bytes are damaged|lostWrite/);
    expect(output).toContain("to repeat it: make sim SEED=2");
  }, 120_000);
});
