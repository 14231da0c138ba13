import { describe, expect, test } from "@jest/globals";
import { commit, join, loneNameServer, newClusterFacts, newcomer } from "../testing/cluster-state.ts";
import { decideForget } from "./broker-verbs.ts";
import { decideCreateCluster, decideDown, decideRegister } from "./brokers.ts";
import { checkLevel, decideRaiseFeatureLevel, readyLevel } from "./feature-level.ts";
import { initialState, type MetadataState } from "./state.ts";

/** A cluster that was made by a program that knows level 1. */
function oldCluster(): MetadataState {
  const state = initialState();
  commit(state, decideCreateCluster(state, { ...newClusterFacts(), featureLevel: 1 }, "00ff".repeat(16)));
  return state;
}

const newServers = [loneNameServer];
const oldServers = [loneNameServer, { ...loneNameServer, id: 2, featureLevel: 1 }];
const raise = { requestId: "r", level: 2 };

test("the feature level is raised once all members know it, and what is older is refused from then on", () => {
  const state = oldCluster();
  join(state);
  expect(readyLevel(state, newServers)).toBe(2);
  commit(state, decideRaiseFeatureLevel(state, raise, newServers));
  expect(state.featureLevel).toBe(2);
  expect(() => decideRegister(state, { ...newcomer, process: "old", featureLevel: 1 })).toThrow(
    "start a newer version",
  );
  expect(decideRaiseFeatureLevel(state, raise, oldServers)).toEqual({ records: [], reply: undefined });
});

test("who does not know it is named, until it is upgraded or forgotten", () => {
  const state = oldCluster();
  commit(state, decideRegister(state, { ...newcomer, featureLevel: 1 }));
  const servers = [...oldServers, { ...loneNameServer, id: 3, featureLevel: 0 }];
  expect(readyLevel(state, servers)).toBe(1);
  expect(() => decideRaiseFeatureLevel(state, raise, servers)).toThrow(
    expect.objectContaining({
      code: "FAILED_PRECONDITION",
      message: expect.stringContaining("name server 2 knows 1, name server 3 was not heard yet, broker 1 knows 1;"),
    }),
  );
  commit(state, decideDown(state, new Map([[1, 1]])));
  commit(state, decideForget(state, { requestId: "f", broker: 1 }));
  expect(readyLevel(state, newServers)).toBe(2);
  commit(state, decideRaiseFeatureLevel(state, raise, newServers));
});

test.each([0, -1, 1.5])("it never falls, nor to %p", (level) => {
  const refused = () => decideRaiseFeatureLevel(oldCluster(), { requestId: "r", level }, newServers);
  expect(refused).toThrow("never falls");
});

describe("what needs a level", () => {
  test("is refused below it, with what to do", () => {
    const state = oldCluster();
    expect(() => checkLevel(state, 2, "the thing")).toThrow(
      "the thing needs feature level 2, the cluster stands on 1: raise it with 'saturnmq cluster upgrade'",
    );
    commit(state, decideRaiseFeatureLevel(state, raise, newServers));
    expect(() => checkLevel(state, 2, "the thing")).not.toThrow();
  });
});
