import { describe, expect, test } from "@jest/globals";
import { openMetrics } from "./metrics.ts";
import { RpcBook } from "./rpc-book.ts";

describe("a broker's metrics", () => {
  test("are counters, gauges, calls and the process, as they are now", async () => {
    const rpcs = new RpcBook();
    let stored = 9;
    const registry = openMetrics({
      rpcs,
      counters: () => ({ messagesStored: stored }),
      gauges: () => ({ logBytes: 4_096 }),
    });
    await new Promise(setImmediate);
    rpcs.record("SendMessage", 20_000, 0.3);
    rpcs.record("SendMessage", 20_000, 3);
    rpcs.record("SendMessage", 40_402, 100_000);
    const text = await registry.metrics();
    expect(text).toContain("saturnmq_messages_stored_total 9");
    expect(text).toContain("saturnmq_log_bytes 4096");
    expect(text).toContain("# TYPE saturnmq_rpc_duration_seconds histogram");
    expect(text).toContain('saturnmq_rpc_duration_seconds_bucket{rpc="SendMessage",code="20000",le="0.0005"} 1');
    expect(text).toContain('saturnmq_rpc_duration_seconds_bucket{rpc="SendMessage",code="20000",le="+Inf"} 2');
    expect(text).toContain('saturnmq_rpc_duration_seconds_bucket{rpc="SendMessage",code="40402",le="65.536"} 0');
    expect(text).toContain('saturnmq_rpc_duration_seconds_count{rpc="SendMessage",code="40402"} 1');
    expect(text).toMatch(/process_resident_memory_bytes \d/);
    stored = 10;
    expect(await registry.metrics()).toContain("saturnmq_messages_stored_total 10");
  });

  test("a scrape asks for all values once, however many there are", async () => {
    let asked = 0;
    const gauges = () => {
      asked += 1;
      return { one: 1, two: 2, three: 3 };
    };
    const registry = openMetrics({ rpcs: new RpcBook(), counters: () => ({}), gauges });
    await new Promise(setImmediate);
    asked = 0;
    expect(await registry.metrics()).toContain("saturnmq_three 3");
    expect(await registry.metrics()).toContain("saturnmq_one 1");
    expect(asked).toBe(2);
  });
});
