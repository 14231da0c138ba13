import { describe, expect, test } from "@jest/globals";
import { exitCodes } from "../exit-codes.ts";
import { run } from "../run.ts";
import { CapturedIo } from "../testing/captured-io.ts";
import { broker, cluster, shard } from "../testing/described-cluster.ts";
import { type Answers, FakeServer } from "../testing/fake-server.ts";
import { statusText } from "./cluster-status.ts";

const up = { ...broker, state: "up", draining: false };
const well = {
  ...cluster,
  brokers: [1, 2, 3].map((id) => ({ ...up, id, zone: "abc"[id - 1] ?? "", replicas: 2, leads: id === 3 ? 0 : 1 })),
  shards: [0, 1].map((number) => ({
    ...{ ...shard, shard: number, leaderHint: number + 1, learners: [], moving: false, targetVoters: [1, 2, 3] },
    lags: [{ broker: 3, entries: 0 }],
  })),
};

function stateOf(text: string): string {
  return /^State: +(.*)$/m.exec(text)?.[1] ?? "";
}

describe("the status of a cluster", () => {
  test("shows its members, zones and shards", () => {
    const text = statusText(well);
    expect(stateOf(text)).toBe("all is well");
    expect(text).toMatch(/^ +1 +leads +votes +2 +h:8082$/m);
    expect(text).toMatch(/^a +1 +1 +2 +1$/m);
    expect(text).toMatch(/^ +2 +up +b +2 +1 +1 B +1 +h:8081$/m);
    expect(text).toMatch(/^ +1 +2 +1 2 3 +- +- +3:0$/m);
  });

  test.each([
    {
      why: "a broker is down",
      change: { brokers: [{ ...up, id: 1, state: "down" }, ...well.brokers.slice(1)] },
      says: "broker 1 down; 1 of 2 shards without a leader; 2 of 2 shards with a replica down",
    },
    {
      why: "a broker is drained",
      change: { brokers: [{ ...up, id: 1, state: "draining", draining: true }, ...well.brokers.slice(1)] },
      says: "broker 1 being drained",
    },
    {
      why: "a name server is down",
      change: {
        nameServers: [
          ...cluster.nameServers,
          { id: 2, address: "", leads: false, up: false, featureLevel: 0, part: "votes" },
        ],
      },
      says: "name server 2 down",
    },
    { why: "a shard moves", change: { shards: [{ ...well.shards[0]!, moving: true }] }, says: "1 shards moving" },
    { why: "nothing is placed", change: { shards: [] }, says: "no shards placed yet" },
    {
      why: "no name server leads",
      change: { stale: true, nameServers: [] },
      says: "no name server leads, this is what the broker watched last",
    },
  ])("says that $why", ({ change, says }) => {
    expect(stateOf(statusText({ ...well, ...change }))).toBe(says);
  });

  test("that does not fit keeps to the room, and shows first what needs a look", () => {
    const many = Array.from({ length: 40 }, (_, number) => ({ ...well.shards[0]!, shard: number }));
    const shards = many.map((row) =>
      row.shard === 31 ? { ...row, leaderHint: 0 } : row.shard === 17 ? { ...row, moving: true } : row,
    );
    const lines = statusText({ ...well, shards }, 30).split("\n");
    expect(lines.length).toBeLessThanOrEqual(30);
    const first = lines.findIndex((line) => line.startsWith("SHARD"));
    expect(lines.slice(first + 1, first + 4).map((line) => Number(line.trim().split(" ")[0]))).toEqual([31, 17, 0]);
    expect(lines.at(-1)).toMatch(/^and \d+ more shards/);
  });
});

async function watching(
  answers: NonNullable<Answers["admin"]>,
  line: readonly string[],
  looks: number,
  terminal = false,
) {
  await using server = await FakeServer.start({ admin: answers });
  const io = new CapturedIo();
  if (terminal) Object.assign(io.stdout, { isTTY: true, rows: 30, columns: 60 });
  let seen = 0;
  io.onOutput = (text) => {
    if (text.includes("luster")) seen += 1;
    if (seen === looks) io.interrupt();
  };
  const exitCode = await run(
    io,
    ["cluster", "status", "--watch", "--every", "10ms", ...line, "--endpoint", server.endpoint],
    "1",
  );
  return { exitCode, out: io.out };
}

describe("cluster status --watch", () => {
  test("prints one look after another where there is no terminal, until Ctrl-C", async () => {
    let revision = 0;
    const answer = () => ({ ...well, revision: (revision += 1) });
    const { exitCode, out } = await watching({ DescribeCluster: answer }, [], 3);
    expect(exitCode).toBe(exitCodes.ok);
    expect([...out.matchAll(/^Revision: +(\d+)$/gm)].map(([, number]) => number)).toEqual(["1", "2", "3"]);
  });

  test("as JSON it is one line each", async () => {
    const { out } = await watching({ DescribeCluster: () => well }, ["--output", "json"], 2);
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as object),
    ).toEqual([well, well]);
  });

  test("on a terminal it stays in place, cut to its size, and leaves the last look behind", async () => {
    const { out } = await watching({ DescribeCluster: () => well }, [], 2, true);
    expect(out.startsWith("\u001b[?1049h\u001b[?25l\u001b[H")).toBe(true);
    const [shown = "", left = ""] = out.split("\u001b[?25h\u001b[?1049l");
    const lines = shown
      .slice(shown.lastIndexOf("\u001b[H") + 3)
      .replaceAll("\u001b[K", "")
      .replaceAll("\u001b[J", "")
      .split("\r\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines.length).toBeLessThanOrEqual(30);
    expect(stateOf(left)).toBe("all is well");
  });

  test("an endpoint where nobody answers ends it at once", async () => {
    const io = new CapturedIo();
    expect(await run(io, ["cluster", "status", "--watch", "--endpoint", "127.0.0.1:1"], "1")).toBe(
      exitCodes.unreachable,
    );
    expect(io.out).toBe("");
  });
});
