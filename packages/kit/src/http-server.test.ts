import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type RunningHttp, serveHttp } from "./http-server.ts";
import { silentLogger } from "./logger.ts";

const state = {
  reasons: ["shard 2 has no leader"] as string[],
  metrics: (): Promise<string> => Promise.resolve("a 1\n"),
};
const errors: unknown[] = [];
const options = {
  host: "127.0.0.1",
  notReady: () => state.reasons,
  metrics: () => state.metrics(),
  logger: { ...silentLogger, error: (fields: object) => errors.push(fields) },
};
let http: RunningHttp;

beforeAll(async () => {
  http = await serveHttp({ ...options, port: 0 });
});

afterAll(() => http.close());

const ask = (path: string, method = "GET"): Promise<Response> =>
  fetch(`http://127.0.0.1:${String(http.port)}${path}`, { method });

describe("the HTTP port", () => {
  test("/healthz says that the process lives, ready or not", async () => {
    const reply = await ask("/healthz");
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toMatch("application/json");
    expect(await reply.json()).toEqual({ status: "alive" });
  });

  test("/readyz says why it does not serve, then that it does", async () => {
    const waiting = await ask("/readyz");
    expect(waiting.status).toBe(503);
    expect(await waiting.json()).toEqual({ status: "not ready", reasons: ["shard 2 has no leader"] });
    state.reasons = [];
    expect((await ask("/readyz")).status).toBe(200);
  });

  test("/metrics is Prometheus text, whatever the query", async () => {
    const reply = await ask("/metrics?now");
    expect(reply.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await reply.text()).toBe("a 1\n");
  });

  test("HEAD is answered as GET, without the body", async () => {
    const reply = await ask("/metrics", "HEAD");
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-length")).toBe("4");
    expect(await reply.text()).toBe("");
  });

  test("metrics that cannot be read are a bug: it is logged and answered, and the next request is served", async () => {
    const { metrics } = state;
    const broken = new Error("no such gauge");
    state.metrics = () => Promise.reject(broken);
    expect((await ask("/metrics")).status).toBe(500);
    expect(errors).toEqual([{ err: broken, url: "/metrics" }]);
    state.metrics = metrics;
    expect((await ask("/metrics")).status).toBe(200);
  });

  test("another method is refused", async () => {
    expect((await ask("/readyz", "POST")).status).toBe(405);
  });

  test("another page is answered with those there are", async () => {
    const reply = await ask("/admin");
    expect(reply.status).toBe(404);
    expect(await reply.text()).toContain("/readyz");
  });

  test("a port in use is said", async () => {
    await expect(serveHttp({ ...options, port: http.port })).rejects.toThrow(/in use.*choose another/);
  });
});
