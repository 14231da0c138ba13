import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { ManualTime } from "@saturnmq/kit/testing";
import { ApiClient } from "./api-client.ts";
import { Election } from "./election.ts";
import { FakeApiServer } from "./testing/fake-api-server.ts";

let server: FakeApiServer;
let client: ApiClient;
const time = { value: new ManualTime() };

beforeEach(async () => {
  time.value = new ManualTime();
  server = new FakeApiServer();
  client = new ApiClient({ server: await server.start(), namespace: "test" });
});

afterEach(async () => {
  client[Symbol.dispose]();
  await server.close();
});

function candidate(identity: string): { election: Election; lost: () => number } {
  let count = 0;
  const options = {
    client,
    namespace: "test",
    name: "operator",
    identity,
    clock: time.value,
    timers: time.value,
    logger: silentLogger,
  };
  return {
    election: new Election({
      ...options,
      lost: () => {
        count += 1;
      },
    }),
    lost: () => count,
  };
}

/** Lets calls over the network end, and time pass beside them. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    time.value.advance(500);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("one of two leads; when it ends in order the other follows at once", async () => {
  const one = candidate("one");
  const other = candidate("other");
  await one.election.win();
  const winning = other.election.win();
  await pass(20_000);
  expect([one.election.leads, other.election.leads]).toEqual([true, false]);
  await one.election.close();
  await Promise.all([winning, pass(3_000)]);
  expect([one.election.leads, other.election.leads]).toEqual([false, true]);
  await other.election.close();
});

test("a holder that is gone is followed after the lease's time, and not before", async () => {
  server.put("operator", { spec: { holderIdentity: "gone", leaseTransitions: 4 } });
  const { election } = candidate("next");
  const winning = election.win();
  await pass(14_000);
  expect(election.leads).toBe(false);
  await Promise.all([winning, pass(4_000)]);
  expect(election.leads).toBe(true);
  expect(server.get("operator")).toMatchObject({ spec: { holderIdentity: "next", leaseTransitions: 5 } });
  await election.close();
});

test("a holder that renews is not followed, whatever its clock says", async () => {
  const { election } = candidate("next");
  void election.win();
  for (let round = 0; round < 8; round += 1) {
    server.put("operator", { spec: { holderIdentity: "holder", renewTime: "2001-01-01T00:00:00.000000Z" } });
    await pass(5_000);
  }
  expect(election.leads).toBe(false);
  await election.close();
});

test("who cannot renew stops before another may begin", async () => {
  const { election, lost } = candidate("one");
  await election.win();
  server.faults.push(...Array.from({ length: 50 }, () => ({ status: 503 })));
  await pass(9_000);
  expect(lost()).toBe(0);
  await pass(3_500);
  expect([lost(), election.leads]).toEqual([1, false]);
  await election.close();
});

test("who finds another in the lease stops", async () => {
  const { election, lost } = candidate("one");
  await election.win();
  server.put("operator", { spec: { holderIdentity: "other" } });
  await pass(3_000);
  expect([lost(), election.leads]).toEqual([1, false]);
  await election.close();
});
