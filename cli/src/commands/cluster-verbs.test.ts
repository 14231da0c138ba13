import { describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import { exitCodes } from "../exit-codes.ts";
import { run } from "../run.ts";
import { CapturedIo } from "../testing/captured-io.ts";
import { broker, cluster, shard } from "../testing/described-cluster.ts";
import { type Answers, FakeServer } from "../testing/fake-server.ts";

async function cli(admin: NonNullable<Answers["admin"]>, commandLine: readonly string[]) {
  await using server = await FakeServer.start({ admin });
  const io = new CapturedIo();
  const exitCode = await run(io, [...commandLine, "--endpoint", server.endpoint], "1");
  return { exitCode, out: io.out, err: io.err };
}

describe("name servers", () => {
  const server = (id: number, part: string, up = true) => {
    return { id, address: `h${id}:8082`, leads: id === 1, up, featureLevel: 2, part };
  };
  const described = (...nameServers: readonly ReturnType<typeof server>[]) => ({ ...cluster, nameServers });

  test("are listed with the part that they have", async () => {
    const answers = { DescribeCluster: () => described(server(1, "votes"), server(4, "awaited", false)) };
    const { out } = await cli(answers, ["nameserver", "list"]);
    expect(out).toMatch(/^ +1 +leads +votes +2 +h1:8082$/m);
    expect(out).toMatch(/^ +4 +down +awaited +2 +h4:8082$/m);
  });

  test("are added under an id, and awaited until they listen or vote", async () => {
    const asked: object[] = [];
    const looks = [
      described(server(1, "votes")),
      described(server(4, "awaited", false)),
      described(server(4, "listens")),
    ];
    const answers = {
      AddNameServer: (request: object) => {
        asked.push(request);
        looks.shift();
        return {};
      },
      DescribeCluster: () => (looks.length > 1 ? looks.shift()! : looks[0]!),
    };
    const line = ["nameserver", "add", "4", "--host", "h4", "--peer-port", "84", "--wait"];
    const { exitCode, out, err } = await cli(answers, line);
    expect({ exitCode, err }).toEqual({
      exitCode: exitCodes.ok,
      err: "saturnmq: name server 4 is awaited: start it\n",
    });
    expect(out).toContain("name server 4 is in the group");
    expect(asked).toMatchObject([{ id: 4, host: "h4", grpcPort: 8_082, peerPort: 84 }]);
  });

  test("are removed, and waited for until the group has let them go", async () => {
    const looks = [described(server(1, "votes"), server(4, "leaves")), described(server(1, "votes"))];
    const answers = {
      RemoveNameServer: () => ({}),
      DescribeCluster: () => (looks.length > 1 ? looks.shift()! : looks[0]!),
    };
    const { exitCode, out, err } = await cli(answers, ["nameserver", "remove", "4", "--wait"]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(err).toContain("name server 4 still has a part");
    expect(out).toContain("name server 4 is out of the group");
  });

  test("that are removed while they are awaited are awaited no longer", async () => {
    const answers = { AddNameServer: () => ({}), DescribeCluster: () => described(server(1, "votes")) };
    const { exitCode, err } = await cli(answers, ["nameserver", "add", "4", "--host", "h4", "--wait"]);
    expect({ exitCode, err }).toMatchObject({
      exitCode: exitCodes.failure,
      err: expect.stringContaining("removed it"),
    });
  });
});

describe("brokers", () => {
  test("are listed with what they hold", async () => {
    const { out } = await cli({ DescribeCluster: () => cluster }, ["broker", "list"]);
    expect(out).toMatch(/^ +3 +down, draining +b +8 +0 +1 B +1 +h:8081$/m);
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

describe("broker drain --wait", () => {
  function draining(replicas: readonly number[], change: object = {}): NonNullable<Answers["admin"]> {
    const left = [...replicas];
    const look = () => {
      const now = left.length > 1 ? left.shift() : left[0];
      return { ...cluster, brokers: [{ ...broker, replicas: now ?? 0, ...change }] };
    };
    return { DrainBroker: () => ({}), DescribeCluster: look };
  }

  test("ends when the broker holds nothing, and says meanwhile what is left", async () => {
    const { exitCode, out, err } = await cli(draining([2, 0]), ["broker", "drain", "3", "--wait"]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(err).toBe("saturnmq: broker 3 still holds 2 replicas and leads 0 shards\n");
    expect(out).toContain("broker 3 holds nothing any more");
  });

  test("fails when the drain is taken back meanwhile", async () => {
    const { exitCode, err } = await cli(draining([2], { draining: false }), ["broker", "drain", "3", "--wait"]);
    expect(exitCode).toBe(exitCodes.failure);
    expect(err).toContain("not being drained any more");
  });

  test("does not take a stale answer for the end", async () => {
    await using server = await FakeServer.start({
      admin: {
        ...draining([0]),
        DescribeCluster: () => ({ ...cluster, stale: true, brokers: [{ ...broker, replicas: 0 }] }),
      },
    });
    const io = new CapturedIo();
    setTimeout(() => io.interrupt(), 200);
    const exitCode = await run(io, ["broker", "drain", "3", "--wait", "--endpoint", server.endpoint], "1");
    expect(exitCode).toBe(exitCodes.interrupted);
    expect(io.err).toContain("the drain of broker 3 goes on");
  });
});

describe("shards", () => {
  test("are listed with leaders, moves and lag", async () => {
    const led = { ...shard, leaderHint: 3 };
    const up = { ...cluster, brokers: [{ ...broker, state: "draining" }], shards: [led] };
    const { out } = await cli({ DescribeCluster: () => up }, ["shard", "list"]);
    expect(out).toMatch(/^ +0 +3 +1 2 3 +4 +1 2 4 +2:17$/m);
    const { out: leaderless } = await cli({ DescribeCluster: () => ({ ...cluster, shards: [led] }) }, [
      "shard",
      "list",
    ]);
    expect(leaderless).toMatch(/^ +0 +- +1 2 3/m);
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
