import { describe, expect, test } from "@jest/globals";
import { clusterWithBroker, commit, groupRequest, newCluster, newcomer, testNowMs } from "../testing/cluster-state.ts";
import { decideRegister } from "./brokers.ts";
import { decideResetGroup } from "./group-reset.ts";
import { decideCreateGroup } from "./groups.ts";
import type { ResetGroup } from "./requests.ts";
import { decideRaiseFeatureLevel, decideUpdateSettings } from "./settings.ts";
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

describe("the feature level", () => {
  const servers = (level: number): ReadonlyMap<number, number> => new Map([[1, level]]);

  test("is raised once all members know it", () => {
    const state = newCluster();
    commit(state, decideRegister(state, { ...newcomer, featureLevel: 2 }));
    commit(state, decideRaiseFeatureLevel(state, { requestId: "r", level: 2 }, servers(2)));
    expect(state.featureLevel).toBe(2);
    expect(() => decideRegister(state, { ...newcomer, process: "old", featureLevel: 1 })).toThrow(
      "start a newer version",
    );
  });

  test("says who does not know it", () => {
    const state = clusterWithBroker();
    const refused = () => decideRaiseFeatureLevel(state, { requestId: "r", level: 2 }, servers(1));
    expect(refused).toThrow(
      expect.objectContaining({
        code: "FAILED_PRECONDITION",
        message: expect.stringContaining("name server 1 knows 1, broker 1 knows 1"),
      }),
    );
  });

  test.each([0, -1, 1.5])("never falls, nor to %p", (level) => {
    const refused = () => decideRaiseFeatureLevel(newCluster(), { requestId: "r", level }, servers(9));
    expect(refused).toThrow("never falls");
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
