import { describe, expect, test } from "@jest/globals";
import { emptyReport } from "@saturnmq/wire";
import { commit, newcomer } from "../testing/cluster-state.ts";
import { firstCheckpoint, firstRecords } from "../testing/first-version.ts";
import { apply } from "./apply.ts";
import { decideHeartbeat, decideRegister } from "./brokers.ts";
import { decodeCheckpoint, decodeRecord, encodeCheckpoint } from "./codec.ts";
import { isMoving } from "./shards.ts";
import { defaultSettings, initialState, type MetadataState, viewOf } from "./state.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function fromRecords(): MetadataState {
  const state = initialState();
  for (const [kind, payload] of firstRecords) apply(state, decodeRecord({ kind, version: 1, payload: bytes(payload) }));
  return state;
}

describe("data of the first version", () => {
  test("comes to the same state from its records as from its checkpoint", () => {
    expect(decodeCheckpoint(bytes(firstCheckpoint))).toEqual(fromRecords());
  });

  test("has what came later as it is at the beginning", () => {
    const view = viewOf(fromRecords());
    expect(view).toMatchObject({ revision: 9, featureLevel: 1, settings: defaultSettings, replicationFactor: 1 });
    expect(view?.brokers.get(1)).toMatchObject({ state: "up", incarnation: 2, peerAddress: "", draining: false });
    expect(view?.shards.map((shard) => isMoving(shard))).toEqual([false, false, false]);
    expect(view?.shards[0]).toMatchObject({
      voters: [1],
      revision: 0,
      target: { revision: 0, voters: [1] },
      founders: [1],
    });
  });

  test("goes on: its broker restarts, and a checkpoint of this version holds it", () => {
    const state = fromRecords();
    const again = { ...newcomer, brokerId: 1, incarnation: 3, clusterId: "cluster-a", address: "in-process" };
    expect(commit(state, decideRegister(state, again)).brokerId).toBe(1);
    commit(state, decideHeartbeat(state, 1, 3, emptyReport));
    expect(decodeCheckpoint(encodeCheckpoint(state))).toEqual(state);
    expect(state.topics.get("orders")?.id).toBe(1);
  });
});
