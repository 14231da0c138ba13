import { describe, expect, test } from "@jest/globals";
import { commit, newCluster } from "../testing/cluster-state.ts";
import { decideUpdateSettings } from "./settings.ts";
import { defaultSettings } from "./state.ts";

describe("settings", () => {
  test("what is given changes, the rest stays, and a repeated call answers the same", () => {
    const state = newCluster();
    const reply = commit(state, decideUpdateSettings(state, { requestId: "r", moveBudget: 9 }));
    expect(reply).toEqual({ ...defaultSettings, moveBudget: 9 });
    commit(state, decideUpdateSettings(state, { requestId: "r2", brokerLeaseMs: 5_000 }));
    expect(state.settings).toEqual({ ...defaultSettings, moveBudget: 9, brokerLeaseMs: 5_000 });
    expect(decideUpdateSettings(state, { requestId: "r" })).toEqual({ records: [], reply });
  });

  test.each([
    { brokerLeaseMs: 999 },
    { brokerLeaseMs: 60_001 },
    { replacementGraceMs: -1 },
    { moveBudget: 0 },
    { moveBudget: 1.5 },
    { transferBudget: Number.NaN },
  ])("%j is refused by name", (fields) => {
    const refused = () => decideUpdateSettings(newCluster(), { requestId: "r", ...fields });
    expect(refused).toThrow(new RegExp(`^${Object.keys(fields)[0]} must be`));
  });
});
