import { describe, expect, test } from "@jest/globals";
import { decideRecovery, matches, type RecoveryInput, recoveryTable } from "./recovery-decision.ts";

const inputs: RecoveryInput[] = [];
for (const frame of ["good", "old", "bad"] as const)
  for (const durable of [false, true])
    for (const hardState of [false, true])
      for (const hardStateKnown of [false, true])
        for (const voters of ["one", "more"] as const)
          inputs.push({ frame, durable, hardState, hardStateKnown, voters });

describe("the recovery table", () => {
  test("has exactly one row for each of all 48 inputs, and no row without one", () => {
    expect(inputs).toHaveLength(48);
    for (const input of inputs) expect(recoveryTable.filter(({ when }) => matches(when, input))).toHaveLength(1);
    for (const { when } of recoveryTable) expect(inputs.some((input) => matches(when, input))).toBe(true);
  });

  test("never drops what was acknowledged, never starts a sole voter on damage, never votes on a forgotten vote", () => {
    for (const input of inputs) {
      const { action } = decideRecovery(input);
      if (action === "cut") expect(input.durable).toBe(false);
      if (action === "accept") expect(input.frame).toBe("good");
      if (input.frame !== "good" && input.durable && input.voters === "one") expect(action).toBe("refuse");
      if (action === "fetch") expect(input.hardState && !input.hardStateKnown).toBe(false);
      if (action === "fetch" || action === "rejoin") expect(input.voters).toBe("more");
    }
  });
});
