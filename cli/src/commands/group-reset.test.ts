import { describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import { exitCodes } from "../exit-codes.ts";
import { run } from "../run.ts";
import { CapturedIo } from "../testing/captured-io.ts";
import { type Answers, FakeServer } from "../testing/fake-server.ts";

async function cli(admin: NonNullable<Answers["admin"]>, commandLine: readonly string[]) {
  await using server = await FakeServer.start({ admin });
  const io = new CapturedIo();
  const exitCode = await run(io, ["group", "reset", ...commandLine, "--endpoint", server.endpoint], "1");
  return { exitCode, out: io.out, err: io.err };
}

const group = {
  ...{ id: 1, name: "billing", order: false, start: { earliest: true as const }, maxAttempts: 17, createdAtMs: 0 },
};
const progress = { queue: 0, nextOffset: 90, inFlight: 0, parked: 0, expired: 0, deadLettered: 0 };

/** Two topics, read to their ends; as if reset, everything waits again. */
const describeGroup: NonNullable<Answers["admin"]>["DescribeGroup"] = ({ earliest = false }) => ({
  group,
  topics: ["orders", "others"].map((topic) => ({
    topic,
    queues: [{ ...progress, floor: earliest ? 5 : 90, lag: earliest ? 85 : 0 }],
  })),
});

describe("group reset", () => {
  test.each([
    {
      line: ["--to", "earliest"],
      asked: { topic: "", earliest: true },
      says: "starts anew at the beginning of all its topics",
    },
    {
      line: ["orders", "--to", "latest"],
      asked: { topic: "orders", latest: true },
      says: "at the end of topic orders",
    },
    {
      line: ["--to", "2026-01-31T12:00:00Z"],
      asked: { topic: "", atMs: 1_769_860_800_000 },
      says: "stored from 2026-01-31 12:00:00Z on",
    },
  ])("$line asks for it once", async ({ line, asked, says }) => {
    const requests: object[] = [];
    const answer = (request: object) => {
      requests.push(request);
      return group;
    };
    const { exitCode, out } = await cli({ ResetGroup: answer }, ["billing", ...line]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(requests).toEqual([{ name: "billing", requestId: expect.stringMatching(/.{8}/), ...asked }]);
    expect(out).toContain(says);
  });

  test("--dry-run shows each queue before and after, and changes nothing", async () => {
    const { out } = await cli({ DescribeGroup: describeGroup }, ["billing", "--to", "earliest", "--dry-run"]);
    expect(out).toContain("170 messages would wait for it instead of 0");
    expect(out).toMatch(/^orders +0 +90 +5 +90 +0 +85$/m);
    expect(out).toMatch(/^others +0 +90 +5 +90 +0 +85$/m);
  });

  test("--dry-run of one topic shows that one, as JSON too", async () => {
    const topic = { topic: { ...group, type: "NORMAL" as const, queues: 1 }, queues: [] };
    const line = ["billing", "others", "--to", "earliest", "--dry-run", "--output", "json"];
    const { out } = await cli({ DescribeGroup: describeGroup, DescribeTopic: () => topic }, line);
    expect(JSON.parse(out)).toEqual({
      ...{ group: "billing", dryRun: true },
      queues: [{ topic: "others", queue: 0, floor: 90, newFloor: 5, nextOffset: 90, lag: 0, newLag: 85 }],
    });
  });

  test("a refusal is told as it was said", async () => {
    const refuse = (): never => {
      throw new SaturnError("CONSUMER_GROUP_NOT_FOUND", 'consumer group "x" does not exist');
    };
    const { exitCode, err } = await cli({ ResetGroup: refuse }, ["x", "--to", "earliest"]);
    expect({ exitCode, err }).toEqual({
      exitCode: exitCodes.notFound,
      err: 'saturnmq: consumer group "x" does not exist\n',
    });
  });

  test.each([
    { line: ["billing"], says: "--to" },
    { line: ["billing", "--to", "yesterday"], says: "Give earliest, latest, a time like" },
    { line: ["billing", "--to", "2026-01-31"], says: "Give earliest, latest, a time like" },
  ])("$line is a usage error", async ({ line, says }) => {
    const { exitCode, err } = await cli({}, line);
    expect(exitCode).toBe(exitCodes.usage);
    expect(err).toContain(says);
  });
});
