import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { contextSwitches, cpuSeconds, diskUsage, machineCpu, memory, openFiles } from "./generator/process-usage.ts";
import { type BenchResult, renderReport } from "./report.ts";

const figures = {
  messagesPerSecond: 12_345.6,
  messages: 100_000,
  p50Ms: 1.234,
  p99Ms: 5.678,
  p999Ms: 9.1,
  maxMs: 20,
  serverCpuPerMillion: 55.55,
  clientCpuPerMillion: 3.3,
  serverSwitchesPerMessage: 0.123,
  syncsPerMessage: 0.0456,
  diskBytesPerMessage: 1_536,
  otherCores: 0.01,
  stealShare: 0.0123,
  serverRssMaxBytes: 300 * 2 ** 20,
  clientBound: false,
  failures: {},
};
const result: BenchResult = {
  name: "somewhere",
  quick: false,
  machine: {
    date: "2026-01-02T03:04:05.000Z",
    cpu: "A CPU",
    cores: 2,
    memoryGiB: 24,
    kernel: "Linux 6",
    fileSystem: "ext4",
    node: "v24.0.0",
  },
  rssIdleBytes: 80 * 2 ** 20,
  send: [
    { ...figures, topic: "t", bodyBytes: 1_024, batch: 1, connections: 4, inFlight: 200 },
    { ...figures, topic: "t", bodyBytes: 1_024, batch: 1, connections: 1, inFlight: 1, failures: { "code 42900": 3 } },
  ],
  receive: [
    {
      ...figures,
      topic: "t",
      group: "g",
      batchSize: 32,
      connections: 4,
      inFlight: 16,
      emptyReceives: 0,
      bodyBytes: 1_024,
    },
  ],
  restart: {
    logBytes: 4 * 2 ** 30,
    messages: 4_000_000,
    bundled: { warmMs: [900, 700, 800], coldMs: [] },
    sources: { warmMs: [950, 1_050, 1_000], coldMs: [] },
  },
  store: "| a | table |",
};

test("a report names its machine, every figure, every failure and what was not measured", () => {
  const page = renderReport(result);
  for (const part of [
    "# somewhere, 2026-01-02",
    "A CPU, 2 cores",
    "| 200 (4) | 1024 | 12,346 | 1.23 | 5.68 | 9.10 | 55.5 | 3.3 | 0.12 | 0.046 | 1.50 | 0.01 | 1.2 % | none |",
    "3 × code 42900",
    "| idle, after the start | 80 |",
    "| largest under load | 300 |",
    "| warm | 800 | 900, 700, 800 |",
    "not measured: this user may not drop the page cache",
    "| a | table |",
  ])
    expect(page).toContain(part);
});

test("a quick run says that it is one, and parts that did not run are absent", () => {
  const page = renderReport({ ...result, quick: true, restart: undefined, store: undefined });
  expect(page).toContain("quick");
  expect(page).not.toContain("Restart");
  expect(page).not.toContain("Store alone");
});

test("what a process used is read from /proc", async () => {
  const before = { cpu: cpuSeconds(process.pid), switches: contextSwitches(process.pid), machine: machineCpu() };
  for (const start = process.cpuUsage(); process.cpuUsage(start).user < 100_000; ) Math.sqrt(2);
  await new Promise((resolve) => setTimeout(resolve, 20)); // Gives up the core: a switch.
  expect(cpuSeconds(process.pid) - before.cpu).toBeGreaterThan(0.05);
  expect(machineCpu().busySeconds - before.machine.busySeconds).toBeGreaterThan(0.05);
  expect(machineCpu().stealSeconds).toBeGreaterThanOrEqual(before.machine.stealSeconds);
  expect(contextSwitches(process.pid)).toBeGreaterThan(before.switches);
  expect(openFiles(process.pid)).toBeGreaterThan(3);
  const { rssBytes, anonymousBytes } = memory(process.pid);
  expect(anonymousBytes).toBeGreaterThan(10 * 2 ** 20);
  expect(rssBytes).toBeGreaterThan(anonymousBytes);
});

test("what is written durably shows as bytes and flushes of its disk, where the machine counts them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "saturnmq-usage-"));
  const before = diskUsage(folder);
  const file = await open(join(folder, "file"), "w");
  await file.write(Buffer.alloc(2 ** 20, 1));
  await file.sync();
  await file.close();
  const after = diskUsage(folder);
  await rm(folder, { recursive: true });
  if (Number.isNaN(before.flushes)) return;
  expect(after.writtenBytes - before.writtenBytes).toBeGreaterThanOrEqual(2 ** 20);
  expect(after.flushes).toBeGreaterThan(before.flushes);
});
