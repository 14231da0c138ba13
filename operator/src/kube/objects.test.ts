import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { systemClock } from "@saturnmq/kit/node";
import { ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { covers } from "./covers.ts";
import { loadCredentials } from "./credentials.ts";
import { EventRecorder } from "./events.ts";
import { Objects } from "./objects.ts";
import { FakeApiServer } from "./testing/fake-api-server.ts";

let server: FakeApiServer;
let client: ApiClient;
let url: string;
let folder: string;

beforeEach(async () => {
  server = new FakeApiServer();
  url = await server.start();
  client = new ApiClient({ server: url, namespace: "test" });
  folder = mkdtempSync(join(tmpdir(), "operator-kube-"));
});

afterEach(async () => {
  client[Symbol.dispose]();
  await server.close();
  rmSync(folder, { recursive: true });
});

test.each([
  [404, "notFound"],
  [409, "conflict"],
  [410, "gone"],
  [400, "refused"],
  [403, "refused"],
  [422, "refused"],
  [429, "unavailable"],
  [500, "unavailable"],
  [503, "unavailable"],
])("status %i is of class %s", async (status, errorClass) => {
  server.faults.push({ status });
  const failed = client.call("GET", "/api/v1/things");
  await expect(failed).rejects.toMatchObject({ status, errorClass });
  await expect(failed).rejects.toThrow(/a planted fault/);
});

test("no answer is not a failure that is known", async () => {
  await server.close();
  await expect(client.call("GET", "/api/v1/things", { timeoutMs: 500 })).rejects.toMatchObject({
    status: 0,
    errorClass: "unavailable",
  });
  server = new FakeApiServer();
});

test("what is gone was deleted, what exists was created, what is not there is undefined", async () => {
  const objects = new Objects(client);
  expect(await objects.get("Pod", "test", "none")).toBeUndefined();
  server.faults.push({ status: 409 }, { status: 404 }, { status: 409 });
  await objects.create({ kind: "Pod", metadata: { name: "a", namespace: "test" } });
  await objects.delete("Pod", "test", "a", "uid");
  await objects.delete("Pod", "test", "a", "uid");
  server.faults.push({ status: 403 });
  await expect(objects.create({ kind: "Pod", metadata: { name: "a", namespace: "test" } })).rejects.toBeInstanceOf(
    ApiError,
  );
});

test("an event is told once until something else happens, and a failure to tell it harms nobody", async () => {
  const events = new EventRecorder({ client, identity: "me", clock: systemClock(), logger: silentLogger });
  const regarding = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "test", uid: "u", resourceVersion: "1", creationTimestamp: "" },
  };
  const one = { type: "Normal", reason: "Moved", action: "Move", note: "it moved" } as const;
  await events.record(regarding, one);
  await events.record(regarding, one);
  expect(server.calls).toHaveLength(1);
  server.faults.push({ status: 500 });
  await events.record(regarding, { ...one, reason: "Stopped" });
  await events.record(regarding, one);
  expect(server.calls).toHaveLength(3);
});

test.each([
  [{ a: 1, b: 2 }, { a: 1 }, true],
  [{ a: 1 }, { a: 2 }, false],
  [{ a: [{ x: 1, y: 2 }] }, { a: [{ x: 1 }] }, true],
  [{ a: [1, 2] }, { a: [1] }, false],
  [{ a: "1" }, { a: 1 }, false],
  [undefined, { a: 1 }, false],
  [undefined, {}, true],
  [{ a: null }, { a: {} }, true],
])("%j covers %j: %p", (live, wanted, expected) => {
  expect(covers(live, wanted)).toBe(expected);
});

test("credentials of a pod: the token is read anew for each call", () => {
  for (const [name, text] of [
    ["ca.crt", "CA"],
    ["token", "one\n"],
    ["namespace", "mine"],
  ] as const)
    writeFileSync(join(folder, name), text);
  const credentials = loadCredentials({ KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" }, folder);
  expect(credentials).toMatchObject({ server: "https://[fd00::1]:6443", ca: "CA", namespace: "mine" });
  expect(credentials.token?.()).toBe("one");
  writeFileSync(join(folder, "token"), "two");
  expect(credentials.token?.()).toBe("two");
});

test("credentials of a kubeconfig: data in it, files beside it, and what is wrong is said", () => {
  const file = join(folder, "config");
  writeFileSync(join(folder, "ca.crt"), "CA");
  const config = (user: string): void =>
    writeFileSync(
      file,
      `current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\n` +
        `clusters: [{name: k, cluster: {server: "https://h:1/", certificate-authority: ca.crt}}]\nusers: [{name: u, user: ${user}}]\n`,
    );
  config(
    `{client-certificate-data: ${Buffer.from("CERT").toString("base64")}, client-key-data: ${Buffer.from("KEY").toString("base64")}}`,
  );
  expect(loadCredentials({ KUBECONFIG: file })).toEqual({
    server: "https://h:1",
    ca: "CA",
    cert: "CERT",
    key: "KEY",
    namespace: "n",
  });
  config("{exec: {command: login}}");
  expect(() => loadCredentials({ KUBECONFIG: file })).toThrow(/logs in by a plugin/);
  writeFileSync(file, "current-context: none\n");
  expect(() => loadCredentials({ KUBECONFIG: file })).toThrow(/current-context names no context/);
  expect(() => loadCredentials({})).toThrow(/run in a pod, or set KUBECONFIG/);
});
