import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { cliPath, DevServer } from "@saturnmq/bench";

const realFile = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
const patienceMs = 60_000;

type Outcome = { readonly code: number | null; readonly out: string; readonly err: string };

let server: DevServer;

beforeAll(async () => {
  server = await DevServer.start();
}, patienceMs);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** A `saturnmq` process, as a shell starts it. */
function start(commandLine: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [cliPath, ...commandLine], { env: { ...process.env, ...env } });
}

/** Runs a command against the server to its end. */
async function saturnmq(commandLine: readonly string[], input = ""): Promise<Outcome> {
  const child = start(commandLine, { SATURNMQ_ENDPOINT: server.endpoint });
  child.stdin?.end(input);
  return outcomeOf(child);
}

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let out = "";
  let err = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

/** Damages a file at the first place that holds `text`. */
async function flipByte(path: string, text: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const place = (await file.readFile()).indexOf(text);
    expect(place).toBeGreaterThan(0);
    await file.write("!", place);
  } finally {
    await file.close();
  }
}

/** What a command printed as JSON. */
async function json(...commandLine: readonly string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await saturnmq([...commandLine, "--output", "json"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as Record<string, unknown>;
}

describe("a user of the command line", () => {
  test(
    "makes a topic, looks at it and deletes it",
    async () => {
      const created = await saturnmq(["topic", "create", "orders", "--queues", "3", "--retention", "2d"]);
      expect(created).toEqual({ code: 0, out: "created topic orders with 3 queues\n", err: "" });
      expect(await json("topic", "describe", "orders")).toMatchObject({
        topic: { name: "orders", type: "NORMAL", queues: 3, retentionMs: 172_800_000 },
        queues: [0, 1, 2].map((queue) => ({ queue, minOffset: 0, nextOffset: 0 })),
      });
      expect((await saturnmq(["topic", "create", "orders"])).code).toBe(6);
      expect((await saturnmq(["topic", "delete", "orders"])).code).toBe(0);
      expect((await saturnmq(["topic", "describe", "orders"])).code).toBe(3);
    },
    patienceMs,
  );

  test(
    "is refused what this version does not offer, and illegal names",
    async () => {
      for (const type of ["delay", "transaction", "priority", "mixed"]) {
        const { code, err } = await saturnmq(["topic", "create", `t-${type}`, "--type", type]);
        expect({ code, err }).toEqual({ code: 7, err: expect.stringContaining("does not offer") });
      }
      expect((await saturnmq(["topic", "create", "a b"])).code).toBe(2);
      expect((await saturnmq(["topic", "create", "%RETRY%g"])).code).toBe(2);
      expect((await saturnmq(["group", "create", "CID_RMQ_SYS_g"])).code).toBe(2);
    },
    patienceMs,
  );

  test(
    "sends every line of a real file and receives each exactly once",
    async () => {
      await saturnmq(["topic", "create", "file"]);
      const text = await readFile(realFile, "utf8");
      const lines = text.split("\n").filter((line) => line !== "");
      const sent = await saturnmq(["produce", "file", "--tag", "lock", "--output", "json"], text);
      expect(JSON.parse(sent.out)).toMatchObject({ sent: lines.length });
      const count = String(lines.length);
      const got = await saturnmq(["consume", "file", "--group", "readers", "--count", count, "--timeout", "10s"]);
      expect({ code: got.code, err: got.err }).toEqual({ code: 0, err: "" });
      expect(got.out.split("\n").slice(0, -1).sort()).toEqual([...lines].sort());
      const again = await saturnmq(["consume", "file", "--group", "readers", "--timeout", "1s"]);
      expect(again).toEqual({ code: 0, out: "", err: "" });
    },
    patienceMs,
  );

  test(
    "sees a group's lag and where it starts",
    async () => {
      await saturnmq(["topic", "create", "lagging", "--queues", "1"]);
      await saturnmq(["produce", "lagging"], "old 1\nold 2\n");
      await saturnmq(["group", "create", "late", "--from", "latest"]);
      await saturnmq(["group", "create", "early", "--from", "earliest"]);
      await saturnmq(["produce", "lagging"], "new\n");
      const late = await saturnmq(["consume", "lagging", "--group", "late", "--count", "1", "--timeout", "10s"]);
      expect(late.out).toBe("new\n");
      const early = await saturnmq(["consume", "lagging", "--group", "early", "--count", "1", "--timeout", "10s"]);
      expect(early.out).toBe("old 1\n");
      const queue = {
        queue: 0,
        startOffset: 0,
        floor: 1,
        nextOffset: 3,
        lag: 2,
        inFlight: 0,
        parked: 0,
        deadLettered: 0,
        expired: 0,
      };
      expect(await json("group", "describe", "early")).toMatchObject({
        group: { name: "early", start: { earliest: true }, maxAttempts: 17 },
        topics: [{ topic: "lagging", queues: [{ ...queue, oldestUnackedAtMs: expect.any(Number) }] }],
      });
    },
    patienceMs,
  );

  test(
    "peeks at a message by its place",
    async () => {
      await saturnmq(["topic", "create", "peeked", "--queues", "1"]);
      await saturnmq(["produce", "peeked", "--tag", "t", "--key", "k", "--property", "a=1"], "größe\n");
      const peek = ["message", "peek", "peeked", "--queue", "0", "--offset"];
      expect(await json(...peek, "0")).toMatchObject({
        ...{ topic: "peeked", queue: 0, offset: 0, body: "größe", tag: "t", keys: ["k"] },
        properties: { a: "1" },
      });
      expect((await saturnmq([...peek, "1"])).code).toBe(3);
      expect(await json("group", "list")).not.toMatchObject({ groups: [{ name: "peeked" }] });
    },
    patienceMs,
  );

  test(
    "ends a consumer with Ctrl-C",
    async () => {
      await saturnmq(["topic", "create", "endless"]);
      await saturnmq(["produce", "endless"], "one\n");
      const child = start(["consume", "endless", "--group", "g"], { SATURNMQ_ENDPOINT: server.endpoint });
      const outcome = outcomeOf(child);
      if (child.stdout !== null) await once(child.stdout, "data");
      // The message is acknowledged right after it was printed.
      await new Promise((resolve) => setTimeout(resolve, 300));
      child.kill("SIGINT");
      expect(await outcome).toEqual({ code: 0, out: "one\n", err: "" });
      const rest = await saturnmq(["consume", "endless", "--group", "g", "--timeout", "500ms"]);
      expect(rest.out).toBe("");
    },
    patienceMs,
  );

  test(
    "loses nothing when the reader of the output goes away",
    async () => {
      await saturnmq(["topic", "create", "pipe", "--queues", "1"]);
      await saturnmq(["produce", "pipe"], "one\n");
      const child = start(["consume", "pipe", "--group", "g", "--count", "1"], { SATURNMQ_ENDPOINT: server.endpoint });
      child.stdout?.destroy();
      const [code] = (await once(child, "close")) as [number | null];
      expect(code).toBe(1);
      const progress = await json("group", "describe", "g");
      expect(progress).toMatchObject({ topics: expect.arrayContaining([expect.objectContaining({ topic: "pipe" })]) });
      const { topics } = progress as { topics: { topic: string; queues: { lag: number }[] }[] };
      expect(topics.find(({ topic }) => topic === "pipe")?.queues).toEqual([expect.objectContaining({ lag: 1 })]);
    },
    patienceMs,
  );
});

describe("saturnmq dev", () => {
  test(
    "keeps everything over a restart, and stops with code 0",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "saturnmq-cli-"));
      try {
        const first = await DevServer.start({ dataFolder: folder });
        await first.cli("topic", "create", "kept");
        await first.cli("group", "create", "readers", "--from", "earliest");
        const before = await first.cli("cluster", "status", "--output", "json");
        const { code, signal, tookMs } = await first.terminate();
        expect({ code, signal }).toEqual({ code: 0, signal: null });
        expect(tookMs).toBeLessThan(10_000);
        await using second = await DevServer.start({ dataFolder: folder });
        expect(await second.cli("topic", "list")).toContain("kept");
        expect(await second.cli("group", "list")).toContain("readers");
        const clusterOf = (text: string) => (JSON.parse(text) as { clusterId: string }).clusterId;
        expect(clusterOf(await second.cli("cluster", "status", "--output", "json"))).toBe(clusterOf(before));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    patienceMs,
  );

  test(
    "leaves a data folder that can be inspected, and a flipped bit in it is found",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "saturnmq-cli-"));
      try {
        const first = await DevServer.start({ dataFolder: folder });
        await first.cli("topic", "create", "seen", "--queues", "1");
        const producer = start(["produce", "seen", "--endpoint", first.endpoint]);
        producer.stdin?.end("needle in the log\n");
        expect((await outcomeOf(producer)).code).toBe(0);
        await first.terminate();
        const inspect = ["log", "inspect", folder, "--verify"];
        const sound = await saturnmq([...inspect, "--output", "json"]);
        expect(sound).toMatchObject({ code: 0, err: "" });
        const lines = sound.out
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as { kind: string; folder: string });
        const totals = lines.filter(({ kind }) => kind === "total");
        expect(totals).toMatchObject([{ folder: join(folder, "nameserver") }, { messages: 1, damaged: 0 }]);
        await flipByte(join(folder, "broker", "log", "000000000001.seg"), "needle");
        const damaged = await saturnmq(inspect);
        expect(damaged.code).toBe(1);
        expect(damaged.out).toMatch(/DAMAGE in .*000000000001\.seg at byte \d+/);
        expect(damaged.err).toContain("1 place is damaged");
        expect((await saturnmq(["log", "inspect", join(folder, "tls")])).code).toBe(3);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    patienceMs,
  );

  test(
    "refuses messages without the metadata that names their topics",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "saturnmq-cli-"));
      try {
        const first = await DevServer.start({ dataFolder: folder });
        await first.terminate();
        await rm(join(folder, "nameserver"), { recursive: true });
        await expect(DevServer.start({ dataFolder: folder })).rejects.toThrow(/nameserver.*is missing.*restore it/);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    patienceMs,
  );

  test(
    "refuses a setting that makes no sense, and names it",
    async () => {
      const wrong = { env: { SATURNMQ_SHARDS: "0" } };
      await expect(DevServer.start(wrong)).rejects.toThrow(/shards/);
    },
    patienceMs,
  );
});
