import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { DevServer } from "@saturnmq/bench";

const cliPath = fileURLToPath(new URL("../../cli/bin/saturnmq.js", import.meta.url));
const patienceMs = 60_000;
const short = ["--warm-up", "100ms", "--measure", "1s", "--connections", "2"];

type Figures = Record<string, number> & { readonly failures: Record<string, number> };

let server: DevServer;

beforeAll(async () => {
  server = await DevServer.start();
}, patienceMs);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** What a bench measured, and that nothing failed in it. */
async function bench<Result>(...commandLine: readonly string[]): Promise<Result> {
  const options = ["--endpoint", server.endpoint, "--output", "json"];
  const { stdout } = await promisify(execFile)(process.execPath, [cliPath, "bench", ...commandLine, ...options]);
  return (JSON.parse(stdout) as { readonly result: Result }).result;
}

test(
  "sends in a closed loop are measured with the server's share, and written down",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "saturnmq-bench-"));
    const results = await bench<Figures[]>(
      ...["produce", ...short, "--in-flight", "1,8", "--save", join(folder, "sends"), "--data", server.dataFolder],
    );
    expect(results.map(({ inFlight, failures }) => ({ inFlight, failures }))).toEqual([
      { inFlight: 1, failures: {} },
      { inFlight: 8, failures: {} },
    ]);
    for (const { messages, p50Ms, serverCpuPerMillion, serverRssMaxBytes } of results) {
      expect(messages).toBeGreaterThan(0);
      expect(p50Ms).toBeGreaterThan(0);
      expect(serverCpuPerMillion).toBeGreaterThan(0);
      expect(serverRssMaxBytes).toBeGreaterThan(20 * 2 ** 20);
    }
    expect(await readFile(join(folder, "sends.md"), "utf8")).toContain("| 8 (2) |");
    expect(JSON.parse(await readFile(join(folder, "sends.json"), "utf8"))).toMatchObject({ bench: "produce" });
    await rm(folder, { recursive: true });
    // Its own topic is gone again.
    expect(await server.cli("topic", "list")).not.toContain("bench-");
  },
  patienceMs,
);

test(
  "a backlog is drained to the last message",
  async () => {
    const result = await bench<Figures>("backlog", ...short, "--size", "1", "--body", "16384");
    expect(result.failures).toEqual({});
    expect(result["messages"]).toBeGreaterThanOrEqual(64);
  },
  patienceMs,
);

test(
  "every group gets what is sent, and the ages of messages are known",
  async () => {
    const [result] = await bench<Figures[]>("fan-out", ...short, "--groups", "3", "--rate", "50");
    expect(result?.failures).toEqual({});
    expect(result?.["deliveriesPerSecond"]).toBeGreaterThan(0);
    expect(result?.["p99Ms"]).toBeGreaterThan(0);
  },
  patienceMs,
);

test(
  "clients that wait are held without an error, alone and several to a connection",
  async () => {
    for (const connections of ["40", "4"]) {
      const timing = ["--measure", "2s", "--poll", "1s", "--heartbeat", "500ms"];
      const result = await bench<Figures>("idle", "--clients", "40", "--connections", connections, ...timing);
      expect(result.failures).toEqual({});
      expect(result["rssMaxBytes"]).toBeGreaterThan(0);
    }
  },
  patienceMs,
);

test(
  "a soak replaces connections and loses nothing by it",
  async () => {
    const churn = ["--churn", "200ms", "--rate", "50", "--metrics", `http://${server.host}:${server.httpPort}/metrics`];
    const result = await bench<Figures & { readonly samples: readonly { readonly heapBytes: number }[] }>(
      ...["soak", ...short, "--measure", "4s", ...churn],
    );
    expect(result.failures).toEqual({});
    expect(result["reconnects"]).toBeGreaterThan(4);
    expect(result["received"]).toBeGreaterThan(50);
    expect(result.samples[0]?.heapBytes).toBeGreaterThan(2 ** 20);
  },
  patienceMs,
);

test(
  "what a user gets wrong is said in a line",
  async () => {
    const wrong: [string[], string][] = [
      [["produce", "--in-flight", "4,4"], "Give each number once"],
      [["produce", "--body", "4000000"], "too large: the server allows windows"],
      [["consume"], "--topic"],
      [["consume", "--topic", "nix"], "topic nix does not exist"],
    ];
    for (const [commandLine, words] of wrong)
      await expect(bench(...commandLine)).rejects.toMatchObject({ stderr: expect.stringContaining(words) });
  },
  patienceMs,
);

test(
  "two servers are compared in pairs",
  async () => {
    await server.cli("topic", "create", "pairs");
    const timing = ["--warm-up", "50ms", "--measure", "300ms", "--pairs", "2", "--steal-max", "100"];
    const commandLine = ["--topic", "pairs", "--with", server.endpoint, "--in-flight", "4", ...timing];
    type Side = { readonly messages: number; readonly failures: object };
    const { points } = await bench<{ points: { pairs: { a: Side; b: Side }[] }[] }>("compare", ...commandLine);
    const sides = points.flatMap(({ pairs }) => pairs.flatMap(({ a, b }) => [a, b]));
    expect(sides.map(({ failures }) => failures)).toEqual([{}, {}, {}, {}]);
    for (const { messages } of sides) expect(messages).toBeGreaterThan(0);
  },
  patienceMs,
);
