import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import type { Delivery, History, Read, Send } from "./history.ts";
import { type Report, reportOf, saveReport, spreadOf, textOf } from "./report.ts";

const content = (sequence: number) => ({ kind: "message", producer: 1, sequence }) as const;
const send = (sequence: number, outcome: Send["outcome"]): Send => {
  return { producer: 1, sequence, invokedMs: 1_000 + 10 * sequence, endedMs: 1_005 + 10 * sequence, outcome };
};
const read = (offset: number): Read => ({ queue: 0, offset, batch: 0, content: content(offset) });
const delivery = (offset: number, receive: number, receivedMs: number): Delivery => ({
  ...{ consumerGroup: "readers", queue: 0, offset, content: content(offset), receive, position: 0 },
  ...{ invokedMs: receivedMs - 5, receivedMs, invisibleMs: 100, attempt: receive },
});
const history: Partial<History> = {
  sends: [
    send(0, { kind: "ok", offset: 0 }),
    send(1, { kind: "ok", offset: 1 }),
    send(2, { kind: "info" }),
    send(3, { kind: "fail" }),
  ],
  readings: [{ reader: "at the end", reads: [read(0), read(1)] }],
  deliveries: [delivery(0, 1, 1_045), delivery(0, 2, 2_000), delivery(1, 1, 1_035)],
  disturbances: [{ what: "broker-1 killed", fromMs: 1_010, untilMs: 1_020 }],
};

function report(change: Partial<History> = {}): Report {
  const run = { name: "A kill", repeat: "CHAOS_SEED=1 make chaos", reasons: new Map([["no luck", 2]]) };
  return reportOf({ ...run, history: { ...history, ...change } });
}

test("a report of a good run counts, explains, measures, and tells how to repeat it", () => {
  expect(report()).toMatchObject({
    ...{ passed: true, anomalies: {}, sends: { ok: 2, fail: 1, info: 1 }, read: 2 },
    explained: { "redelivery: its lease had run out": 1 },
    timesDelivered: { readers: { 1: 1, 2: 1 } },
    lagMs: { median: 40, p99: 40, worst: 40 },
    disturbances: [{ what: "broker-1 killed", afterMs: 10, lastedMs: 10 }],
  });
  expect(textOf(report()).split("\n")).toEqual([
    "A kill: no anomaly",
    "  sends: 2 ok, 1 refused, 1 unknown; read 2; acks ok 0",
    "  lag: median 40 ms, p99 40 ms, worst 40 ms",
    "  readers: 1 x 1, 1 x 2 delivered",
    "  explained: 1 x redelivery: its lease had run out",
    "  at 10 ms for 10 ms: broker-1 killed",
    "  not well: 2 x no luck",
    "  repeat: CHAOS_SEED=1 make chaos",
  ]);
});

test("a report of a bad run tells the first anomalies of each kind, and how many there are", () => {
  const sends = Array.from({ length: 30 }, (_, sequence) => send(sequence, { kind: "ok", offset: sequence }));
  const bad = report({ sends, deliveries: [] });
  expect(bad.passed).toBe(false);
  expect(bad.anomalies["unseen"]).toMatchObject({ count: 28 });
  expect(bad.anomalies["unseen"]?.first).toHaveLength(20);
  expect(textOf(bad)).toMatch(/^A kill: ANOMALIES\n {2}28 x unseen\n {4}send 1\/2 was acknowledged at offset 2/);
});

test("a report is kept with its date and machine, under its name", async () => {
  const folder = await mkdtemp(join(tmpdir(), "saturnmq-report-"));
  await saveReport(join(folder, "results"), { ...report(), rounds: 3 });
  const [name = ""] = await readdir(join(folder, "results"));
  expect(name).toMatch(/^\d{4}-\d\d-\d\d-A-kill\.json$/);
  const kept: unknown = JSON.parse(await readFile(join(folder, "results", name), "utf8"));
  expect(kept).toMatchObject({ rounds: 3, passed: true, machine: { cores: expect.any(Number) } });
  await rm(folder, { recursive: true });
});

test("a spread is of the nearest rank, and of nothing there is none", () => {
  expect(spreadOf([])).toBeUndefined();
  expect(spreadOf([5])).toEqual({ median: 5, p99: 5, worst: 5 });
  expect(spreadOf(Array.from({ length: 200 }, (_, n) => 200 - n))).toEqual({ median: 101, p99: 199, worst: 200 });
});
