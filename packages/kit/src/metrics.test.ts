import { describe, expect, test } from "@jest/globals";
import { processRegistry } from "./metrics.ts";
import { systemTimers } from "./system-clock.ts";

const lagOf = (text: string, which: string): number =>
  Number(new RegExp(`^nodejs_eventloop_lag_${which}_seconds (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);

describe("a process's metrics", () => {
  test("tell its memory, CPU and garbage collection", async () => {
    const text = await processRegistry().metrics();
    expect(text).toMatch(/^process_resident_memory_bytes [1-9]/m);
    expect(text).toMatch(/^process_cpu_seconds_total \d/m);
    expect(text).toContain("# TYPE nodejs_gc_duration_seconds histogram");
  });

  test("tell how late timers came since the scrape before, once", async () => {
    const registry = processRegistry();
    await registry.metrics();
    const stallMs = 60;
    const fired = new Promise<void>((resolve) => void systemTimers().after(5, resolve));
    const untilMs = performance.now() + stallMs;
    while (performance.now() < untilMs);
    const alive = setTimeout(() => undefined, 10_000);
    await fired;
    clearTimeout(alive);
    const text = await registry.metrics();
    expect(lagOf(text, "max")).toBeGreaterThan((stallMs - 10) / 1_000);
    expect(lagOf(text, "p99")).toBeGreaterThan((stallMs - 10) / 1_000);
    expect(text.match(/# TYPE nodejs_eventloop_lag\S* gauge/g)).toHaveLength(4);
    expect(lagOf(await registry.metrics(), "max")).toBe(0);
  });
});
