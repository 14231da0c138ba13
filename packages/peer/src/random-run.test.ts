import { describe, expect, test } from "@jest/globals";
import { type PlantedFault, RandomRun } from "./testing/random-run.ts";

// SIM_SEED=n begins with another seed, SIM_COUNT=n runs so many.
const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
const first = Number(process.env["SIM_SEED"] ?? 1);
const count = Number(process.env["SIM_COUNT"] ?? (nightly ? 2_000 : 50));

async function run(seed: number, planted?: PlantedFault): Promise<RandomRun> {
  const random = new RandomRun(seed, planted);
  try {
    await random.run();
  } catch (error) {
    throw new Error(`seed ${seed}: not healed in time`, { cause: error });
  } finally {
    await random.close();
  }
  return random;
}

describe("Three processes under cuts, resets, deaths and slow links", () => {
  test(
    `messages keep their order and none is missing while a link lives, calls keep their word, soft state agrees in the end (${count} seeds)`,
    async () => {
      let messages = 0;
      let answered = 0;
      for (let seed = first; seed < first + count; seed += 1) {
        const done = await run(seed);
        expect({ seed, problems: done.problems() }).toEqual({ seed, problems: [] });
        messages += done.messages;
        answered += done.calls.count("answered");
      }
      // The runs did reach what they claim to check.
      expect(messages).toBeGreaterThan(100 * count);
      expect(answered).toBeGreaterThan(5 * count);
    },
    count * 5_000,
  );

  test("one seed, one history", async () => {
    expect((await run(first)).trace()).toBe((await run(first)).trace());
  });

  test.each<PlantedFault>(["losesMessage", "repeatsMessage", "handlesRefusedCall", "handlesTwice"])(
    "planted: %s is found",
    async (planted) => {
      expect((await run(first, planted)).problems()).not.toEqual([]);
    },
  );
});
