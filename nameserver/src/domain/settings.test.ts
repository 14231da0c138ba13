import { describe, expect, test } from "@jest/globals";
import { commit, groupRequest, newCluster, testNowMs } from "../testing/cluster-state.ts";
import { decideResetGroup } from "./group-reset.ts";
import { decideCreateGroup } from "./groups.ts";
import type { ResetGroup } from "./requests.ts";
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

describe("resetting a group", () => {
  test.each<{ to: Partial<ResetGroup>; start: object }>([
    { to: { earliest: true }, start: { kind: "earliest" } },
    { to: { latest: true }, start: { kind: "time", atMs: testNowMs + 5 } },
    { to: { atMs: 77 }, start: { kind: "time", atMs: 77 } },
  ])("to $to raises its cursor epoch", ({ to, start }) => {
    const state = newCluster();
    commit(state, decideCreateGroup(state, groupRequest({ requestId: "g" }), testNowMs));
    const request = { requestId: "r", name: "g", ...to };
    const group = commit(state, decideResetGroup(state, request, testNowMs + 5));
    expect(group).toMatchObject({ id: 1, cursorEpoch: 2, start });
    expect(state.groups.get("g")).toEqual(group);
    expect(decideResetGroup(state, request, testNowMs + 900)).toEqual({ records: [], reply: group });
    expect(commit(state, decideResetGroup(state, { ...request, requestId: "r2" }, 1)).cursorEpoch).toBe(3);
  });

  test.each<{ why: string; request: ResetGroup; code: string }>([
    {
      why: "an unknown group",
      request: { requestId: "r", name: "absent", earliest: true },
      code: "CONSUMER_GROUP_NOT_FOUND",
    },
    { why: "no position", request: { requestId: "r", name: "g" }, code: "BAD_REQUEST" },
    { why: "a time before 1970", request: { requestId: "r", name: "g", atMs: -1 }, code: "BAD_REQUEST" },
  ])("$why is refused", ({ request, code }) => {
    const state = newCluster();
    commit(state, decideCreateGroup(state, groupRequest({ requestId: "g" }), testNowMs));
    expect(() => decideResetGroup(state, request, testNowMs)).toThrow(expect.objectContaining({ code }));
  });
});
