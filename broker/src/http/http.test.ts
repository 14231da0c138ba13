import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type RunningHttp, serveHttp } from "./http.ts";
import { openMetrics } from "./metrics.ts";
import { RpcBook } from "./rpc-book.ts";

const rpcs = new RpcBook();
const state = { reasons: ["shard 2 has no leader"] as string[], stored: 7, logBytes: 4_096 };
let http: RunningHttp;

beforeAll(async () => {
  http = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    notReady: () => state.reasons,
    metrics: { rpcs, counters: () => ({ messagesStored: state.stored }), gauges: () => ({ logBytes: state.logBytes }) },
  });
});

afterAll(() => http.close());

const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${String(http.port)}${path}`);

describe("the HTTP port", () => {
  test("/healthz says that the process lives, ready or not", async () => {
    expect((await get("/healthz")).status).toBe(200);
  });

  test("/readyz says why it does not serve, then that it does", async () => {
    const waiting = await get("/readyz");
    expect(waiting.status).toBe(503);
    expect(await waiting.json()).toEqual({ status: "not ready", reasons: ["shard 2 has no leader"] });
    state.reasons = [];
    expect((await get("/readyz")).status).toBe(200);
  });

  test("/metrics shows counters, gauges, calls and the process, as they are now", async () => {
    rpcs.record("SendMessage", 20_000, 0.3);
    rpcs.record("SendMessage", 20_000, 3);
    rpcs.record("SendMessage", 40_402, 100_000);
    state.stored = 9;
    const text = await (await get("/metrics")).text();
    expect(text).toContain("saturnmq_messages_stored_total 9");
    expect(text).toContain("saturnmq_log_bytes 4096");
    expect(text).toContain("# TYPE saturnmq_rpc_duration_seconds histogram");
    expect(text).toContain('saturnmq_rpc_duration_seconds_bucket{rpc="SendMessage",code="20000",le="0.0005"} 1');
    expect(text).toContain('saturnmq_rpc_duration_seconds_bucket{rpc="SendMessage",code="20000",le="+Inf"} 2');
    expect(text).toContain('saturnmq_rpc_duration_seconds_bucket{rpc="SendMessage",code="40402",le="65.536"} 0');
    expect(text).toContain('saturnmq_rpc_duration_seconds_count{rpc="SendMessage",code="40402"} 1');
    expect(text).toMatch(/process_resident_memory_bytes \d/);
    expect(text).toMatch(/nodejs_eventloop_lag_p99_seconds \d/);
    state.stored = 10;
    expect(await (await get("/metrics")).text()).toContain("saturnmq_messages_stored_total 10");
  });

  test("a scrape asks for all values once, however many there are", async () => {
    let asked = 0;
    const gauges = () => {
      asked += 1;
      return { one: 1, two: 2, three: 3 };
    };
    const registry = openMetrics({ rpcs, counters: () => ({}), gauges });
    await new Promise(setImmediate);
    asked = 0;
    expect(await registry.metrics()).toContain("saturnmq_three 3");
    expect(await registry.metrics()).toContain("saturnmq_one 1");
    expect(asked).toBe(2);
  });

  test("another page is answered with those there are", async () => {
    const reply = await get("/admin");
    expect(reply.status).toBe(404);
    expect(await reply.text()).toContain("/readyz");
  });

  test("a port in use is said", async () => {
    const second = serveHttp({
      host: "127.0.0.1",
      port: http.port,
      notReady: () => [],
      metrics: { rpcs, counters: () => ({}), gauges: () => ({}) },
    });
    await expect(second).rejects.toThrow(/in use.*choose another/);
  });
});
