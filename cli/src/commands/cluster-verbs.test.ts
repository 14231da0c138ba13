import { describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import { exitCodes } from "../exit-codes.ts";
import { run } from "../run.ts";
import { CapturedIo } from "../testing/captured-io.ts";
import { type Answers, FakeServer } from "../testing/fake-server.ts";

async function cli(admin: NonNullable<Answers["admin"]>, commandLine: readonly string[]) {
  await using server = await FakeServer.start({ admin });
  const io = new CapturedIo();
  const exitCode = await run(io, [...commandLine, "--endpoint", server.endpoint], "1");
  return { exitCode, out: io.out, err: io.err };
}

const settings = { brokerLeaseMs: 3_000, replacementGraceMs: 300_000, moveBudget: 4, transferBudget: 4 };
const broker = {
  ...{ id: 3, incarnation: 2, zone: "b", state: "down", address: "h:8081", peerAddress: "h:8083", draining: true },
  ...{ leadersAway: false, featureLevel: 1, replicas: 8, leads: 0, freeBytes: 1, totalBytes: 2 },
};
const shard = {
  ...{ shard: 0, voters: [1, 2, 3], leaderHint: 1, learners: [4], outgoing: [], term: 5, revision: 7 },
  ...{ targetRevision: 9, targetVoters: [1, 2, 4], moving: true, lags: [{ broker: 2, entries: 17 }] },
};
const nameServer = { id: 1, address: "h:8082", leads: true, up: true, featureLevel: 2 };
const cluster = {
  ...{ clusterId: "c", revision: 9, topics: 0, groups: 0, replicationFactor: 3, featureLevel: 1, stale: false },
  ...{ settings, brokers: [broker], shards: [shard], nameServers: [nameServer], featureLevelReady: 1 },
};

describe("brokers", () => {
  test("are listed with what they hold", async () => {
    const { out } = await cli({ DescribeCluster: () => cluster }, ["broker", "list"]);
    expect(out).toMatch(/^ +3 +down, draining +b +8 +0 +h:8081$/m);
    const { out: json } = await cli({ DescribeCluster: () => cluster }, ["broker", "list", "--output", "json"]);
    expect(JSON.parse(json)).toEqual({ brokers: [broker] });
  });

  test.each([
    { verb: "drain", method: "DrainBroker", says: "is being emptied" },
    { verb: "undrain", method: "CancelDrain", says: "takes replicas" },
    { verb: "transfer-leaders", method: "TransferLeaders", says: "hands over what it leads" },
    { verb: "forget", method: "ForgetBroker", says: "is forgotten" },
  ] as const)("$verb asks for it once", async ({ verb, method, says }) => {
    const asked: { requestId: string; broker: number }[] = [];
    const answers = {
      [method]: (request: { requestId: string; broker: number }) => {
        asked.push(request);
        return {};
      },
    };
    const { exitCode, out } = await cli(answers, ["broker", verb, "3"]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(out).toContain(`broker 3 ${says}`);
    expect(asked).toMatchObject([{ broker: 3, requestId: expect.stringMatching(/.{8}/) }]);
  });

  test("a refusal is told as it was said", async () => {
    const refuse = (): never => {
      throw new SaturnError("FAILED_PRECONDITION", "broker 3 cannot be drained: only 2 others are up");
    };
    const { exitCode, err } = await cli({ DrainBroker: refuse }, ["broker", "drain", "3"]);
    expect({ exitCode, err }).toEqual({
      exitCode: exitCodes.notAsThingsStand,
      err: "saturnmq: broker 3 cannot be drained: only 2 others are up\n",
    });
  });

  test.each([
    { report: { safe: true, shards: [] }, says: /can be stopped/ },
    { report: { safe: false, shards: [{ shard: 4, reason: "only 2 left" }] }, says: /shard 4: only 2 left/ },
  ])("restart safety says $says", async ({ report, says }) => {
    const { out } = await cli({ RestartSafety: () => report }, ["broker", "restart-safety", "3"]);
    expect(out).toMatch(says);
  });
});

describe("shards", () => {
  test("are listed with leaders, moves and lag", async () => {
    const { out } = await cli({ DescribeCluster: () => cluster }, ["shard", "list"]);
    expect(out).toMatch(/^ +0 +1 +1 2 3 +4 +1 2 4 +2:17$/m);
  });

  test("transfer names whom", async () => {
    const asked: object[] = [];
    const answer = (request: object) => {
      asked.push(request);
      return {};
    };
    const { out } = await cli({ TransferShard: answer }, ["shard", "transfer", "0", "--to", "2"]);
    expect(asked).toEqual([{ shard: 0, to: 2 }]);
    expect(out).toContain("hand over to broker 2");
  });

  test("recover says what may be lost, and is unsafe only when that is said", async () => {
    const asked: { unsafe: boolean }[] = [];
    const recovery = { survivor: 2, writtenOff: [1, 3], lastIndex: 9, knownCommit: 12, mayBeLost: "entries 10 to 12" };
    const answer = (request: { unsafe: boolean }) => {
      asked.push(request);
      return recovery;
    };
    await cli({ RecoverShard: answer }, ["shard", "recover", "0"]);
    const { out } = await cli({ RecoverShard: answer }, ["shard", "recover", "0", "--unsafe"]);
    expect(asked.map(({ unsafe }) => unsafe)).toEqual([false, true]);
    expect(out).toBe("shard 0 goes on with broker 2 alone; written off: 1 3\nentries 10 to 12\n");
  });

  test.each([
    { line: ["shard", "transfer", "0"], says: "--to" },
    { line: ["broker", "drain", "x"], says: "whole number" },
    { line: ["broker", "drain"], says: "missing required argument" },
  ])("$line is a usage error", async ({ line, says }) => {
    const { exitCode, err } = await cli({}, line);
    expect(exitCode).toBe(exitCodes.usage);
    expect(err).toContain(says);
  });
});

describe("cluster upgrade", () => {
  const old = { ...broker, state: "up", featureLevel: 1 };
  const ready = { ...cluster, featureLevelReady: 2 };

  function answers(description: typeof cluster, raised: object[]): NonNullable<Answers["admin"]> {
    const raise = (request: object) => {
      raised.push(request);
      return {};
    };
    return { DescribeCluster: () => description, RaiseFeatureLevel: raise };
  }

  test("raises the level to what all know, and says what that allows", async () => {
    const raised: object[] = [];
    const { exitCode, out } = await cli(answers(ready, raised), ["cluster", "upgrade"]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(raised).toMatchObject([{ level: 2 }]);
    expect(out).toMatch(/^the feature level is raised from 1 to 2: .*\n {2}2: recovering a shard/);
  });

  test("changes nothing in a dry run", async () => {
    const raised: object[] = [];
    const { out } = await cli(answers(ready, raised), ["cluster", "upgrade", "--dry-run"]);
    expect(raised).toEqual([]);
    expect(out).toContain("would be raised from 1 to 2");
  });

  test("names who holds it back, and asks for nothing then", async () => {
    const raised: object[] = [];
    const { exitCode, out } = await cli(answers({ ...cluster, brokers: [old] }, raised), ["cluster", "upgrade"]);
    expect({ exitCode, raised }).toEqual({ exitCode: exitCodes.ok, raised: [] });
    expect(out).toBe(
      "the cluster stands on feature level 1, the highest that all its members know\n  broker 3 knows 1, others 2\n",
    );
  });

  test("to a level that is named is the server's to refuse", async () => {
    const refuse = (): never => {
      throw new SaturnError("FAILED_PRECONDITION", "not all members know feature level 3: broker 3 knows 1");
    };
    const line = ["cluster", "upgrade", "--to", "3"];
    const { exitCode, err } = await cli({ DescribeCluster: () => cluster, RaiseFeatureLevel: refuse }, line);
    expect(exitCode).toBe(exitCodes.notAsThingsStand);
    expect(err).toContain("broker 3 knows 1");
  });
});
