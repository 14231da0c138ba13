import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { ApiClient } from "./api-client.ts";
import { Informer } from "./informer.ts";
import type { KubeObject } from "./objects.ts";
import { FakeApiServer } from "./testing/fake-api-server.ts";

let server: FakeApiServer;
let client: ApiClient;
let informer: Informer<KubeObject>;
let told: string[];

beforeEach(async () => {
  server = new FakeApiServer();
  client = new ApiClient({ server: await server.start(), namespace: "test" });
  told = [];
  informer = new Informer({
    ...{ client, path: "/apis/test/v1/things", resyncMs: 3_600_000, logger: silentLogger },
    ...{ clock: systemClock(), timers: systemTimers(), random: new SeededRandom(1) },
    changed: ({ metadata: { name } }) => told.push(name),
  });
});

afterEach(async () => {
  await informer.close();
  client[Symbol.dispose]();
  await server.close();
});

async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`never so: ${condition.toString()}; told ${told.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("start resolves when all pages are read, and later changes come by the watch", async () => {
  for (const name of ["a", "b", "c"]) server.put(name);
  server.pageSize = 2;
  await informer.start();
  expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(["a", "b", "c"]);
  await until(() => server.watching === 1);
  server.put("d");
  server.remove("a");
  await until(() => told.length === 5);
  expect(informer.get("test", "a")).toBeUndefined();
  expect(informer.get("test", "d")).toBeDefined();
});

test("who manages which field is not kept", async () => {
  server.put("listed");
  await informer.start();
  await until(() => server.watching === 1);
  server.put("watched");
  await until(() => told.length === 2);
  expect(informer.list()).toHaveLength(2);
  expect(JSON.stringify(informer.list())).not.toContain("managedFields");
});

test("a broken watch goes on where it stood: nothing is told twice, nothing is missed", async () => {
  server.put("a");
  await informer.start();
  await until(() => server.watching === 1);
  server.cutWatches();
  server.put("b");
  await until(() => told.includes("b"));
  expect(told).toEqual(["a", "b"]);
});

test("a history that the server forgot is listed anew, and what went in the meantime is told of", async () => {
  server.put("a");
  server.put("b");
  await informer.start();
  await until(() => server.watching === 1);
  server.forgetHistory();
  server.remove("a", true);
  server.cutWatches();
  await until(() => told.length === 3);
  expect(told).toEqual(["a", "b", "a"]);
  expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(["b"]);
});

test.each([401, 403, 429, 500, 503])("status %i is waited out, for the list and for the watch", async (status) => {
  server.put("a");
  server.faults.push({ status }, { status });
  await informer.start();
  server.faults.push({ status });
  server.cutWatches();
  await until(() => server.watching === 1);
  server.put("b");
  await until(() => told.includes("b"));
});

test("Retry-After is kept to", async () => {
  server.faults.push({ status: 429, headers: { "retry-after": "1" } });
  const startedMs = Date.now();
  await informer.start();
  expect(Date.now() - startedMs).toBeGreaterThanOrEqual(990);
});

test("closed, it stays closed", async () => {
  await informer.start();
  await until(() => server.watching === 1);
  await informer.close();
  const calls = server.calls.length;
  server.cutWatches();
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(server.calls.length).toBe(calls);
});
