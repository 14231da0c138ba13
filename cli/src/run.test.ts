import { readFile } from "node:fs/promises";
import { describe, expect, test } from "@jest/globals";
import { type ErrorCode, SaturnError } from "@saturnmq/kit";
import { v2 } from "@saturnmq/wire";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { run } from "./run.ts";
import { CapturedIo } from "./testing/captured-io.ts";
import { type Answers, FakeServer, ok } from "./testing/fake-server.ts";

/** Runs a command line against a server with these answers. */
async function cli(answers: Answers, commandLine: readonly string[], io = new CapturedIo()) {
  await using server = await FakeServer.start(answers);
  const exitCode = await run(io, [...commandLine, "--endpoint", server.endpoint], "1.2.3");
  return { exitCode, out: io.out, err: io.err };
}

const topic = { id: 3, name: "orders", type: "NORMAL", queues: 2, retentionMs: 259_200_000, createdAtMs: 0 } as const;

describe("the command line", () => {
  test("shows help and version", async () => {
    const io = new CapturedIo();
    expect(await run(io, ["--help"], "1.2.3")).toBe(exitCodes.ok);
    expect(io.out).toContain("Usage: saturnmq");
    expect(await run(io, ["--version"], "1.2.3")).toBe(exitCodes.ok);
    expect(io.out.endsWith("1.2.3\n")).toBe(true);
    expect(io.err).toBe("");
  });

  test("help and README list every exit code", async () => {
    const io = new CapturedIo();
    await run(io, ["--help"], "1.2.3");
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
    for (const code of Object.values(exitCodes)) {
      expect(io.out).toMatch(new RegExp(`^ {2}${String(code)} `, "m"));
      expect(readme).toMatch(new RegExp(`^\\| ${String(code)} `, "m"));
    }
  });

  test.each([
    { line: [], says: "Usage" },
    { line: ["toppic"], says: "Did you mean topic" },
    { line: ["topic", "create"], says: "missing required argument 'name'" },
    { line: ["topic", "create", "a", "--queues", "0"], says: "from 1 to 1024" },
    { line: ["topic", "create", "a", "--queues", "1025"], says: "from 1 to 1024" },
    { line: ["topic", "create", "a", "--retention", "3"], says: "3d" },
    { line: ["topic", "create", "a", "--type", "odd"], says: "normal, fifo" },
    { line: ["topic", "list", "--output", "xml"], says: "text, json" },
    { line: ["topic", "list", "--endpoint", "a:b"], says: "host:port" },
    { line: ["consume", "a"], says: "--group" },
    { line: ["message", "peek", "a", "--queue", "0"], says: "--offset" },
    { line: ["produce", "a", "--property", "x"], says: "key=value" },
    { line: ["dev", "--grpc-port", "70000"], says: "from 0 to 65535" },
  ])("$line is a usage error", async ({ line, says }) => {
    const io = new CapturedIo();
    expect(await run(io, line, "1")).toBe(exitCodes.usage);
    expect(io.err).toContain(says);
    expect(io.out).toBe("");
  });
});

describe("failures", () => {
  test("nobody at the endpoint: says what to do", async () => {
    const io = new CapturedIo();
    expect(await run(io, ["topic", "list", "--endpoint", "127.0.0.1:1"], "1")).toBe(exitCodes.unreachable);
    expect(io.err).toBe(
      "saturnmq: no SaturnMQ answers at 127.0.0.1:1: start one with 'make run' or name another with --endpoint\n",
    );
  });

  test.each<{ code: ErrorCode; exitCode: ExitCode }>([
    { code: "ILLEGAL_TOPIC", exitCode: exitCodes.usage },
    { code: "BAD_REQUEST", exitCode: exitCodes.usage },
    { code: "ALREADY_EXISTS", exitCode: exitCodes.exists },
    { code: "TOPIC_NOT_FOUND", exitCode: exitCodes.notFound },
    { code: "OFFSET_NOT_FOUND", exitCode: exitCodes.notFound },
    { code: "UNIMPLEMENTED", exitCode: exitCodes.notOffered },
    { code: "HA_NOT_AVAILABLE", exitCode: exitCodes.unreachable },
    { code: "TOO_MANY_REQUESTS", exitCode: exitCodes.refusedForNow },
    { code: "INTERNAL_ERROR", exitCode: exitCodes.failure },
  ])("$code ends with exit code $exitCode in the server's words", async ({ code, exitCode }) => {
    const refuse = (): never => {
      throw new SaturnError(code, "the server's words");
    };
    const result = await cli({ admin: { CreateTopic: refuse } }, ["topic", "create", "orders"]);
    expect(result).toEqual({ exitCode, out: "", err: "saturnmq: the server's words\n" });
  });

  test("a server that does not know the call is told from one that refuses", async () => {
    const { exitCode, err } = await cli({}, ["topic", "list"]);
    expect(exitCode).toBe(exitCodes.notOffered);
    expect(err).toContain("is it a SaturnMQ of this version?");
  });
});

describe("topics and groups", () => {
  test("a topic is created with what was asked, each time under a new request id", async () => {
    const asked: { requestId: string }[] = [];
    const answers: Answers = {
      admin: {
        CreateTopic: (request) => {
          asked.push(request);
          return topic;
        },
      },
    };
    const line = ["topic", "create", "orders", "--type", "Normal", "--queues", "2", "--retention", "3d"];
    const { exitCode, out } = await cli(answers, line);
    await cli(answers, line);
    expect(exitCode).toBe(0);
    expect(out).toBe("created topic orders with 2 queues\n");
    expect(asked[0]).toMatchObject({ name: "orders", type: "NORMAL", queues: 2, retentionMs: 259_200_000 });
    expect(asked[0]?.requestId).not.toBe(asked[1]?.requestId);
  });

  test("lists are tables for people and complete for machines", async () => {
    const answers: Answers = { admin: { ListTopics: () => ({ topics: [topic] }) } };
    expect((await cli(answers, ["topic", "list"])).out).toBe(
      "NAME    TYPE    QUEUES  RETENTION  CREATED\norders  normal       2  3d         1970-01-01 00:00:00Z\n",
    );
    expect(JSON.parse((await cli(answers, ["topic", "list", "--output", "json"])).out)).toEqual({ topics: [topic] });
  });

  test("an empty list says how to begin", async () => {
    const answers: Answers = { admin: { ListTopics: () => ({ topics: [] }), ListGroups: () => ({ groups: [] }) } };
    expect((await cli(answers, ["topic", "list"])).out).toContain("saturnmq topic create");
    expect((await cli(answers, ["group", "list"])).out).toContain("first use");
  });

  test("a group's description sums up and shows each queue", async () => {
    const begun = {
      queue: 0,
      startOffset: 2,
      floor: 5,
      nextOffset: 9,
      lag: 4,
      inFlight: 1,
      parked: 2,
      deadLettered: 3,
      expired: 6,
    };
    const fresh = { queue: 1, floor: 0, nextOffset: 3, lag: 3, inFlight: 0, parked: 0, deadLettered: 0, expired: 0 };
    const oldestUnackedAtMs = Date.now() - 61_500;
    const group = { id: 1, name: "g", order: false, start: { atMs: 0 }, maxAttempts: 17, createdAtMs: 0 } as const;
    const topics = [{ topic: "orders", queues: [{ ...begun, oldestUnackedAtMs }, fresh] }];
    const { out } = await cli({ admin: { DescribeGroup: () => ({ group, topics }) } }, ["group", "describe", "g"]);
    expect(out).toMatch(/^Starts: +with messages stored from 1970-01-01 00:00:00Z on$/m);
    expect(out).toMatch(/^Lag: +7$/m);
    expect(out).toMatch(/^In flight: +1$/m);
    expect(out).toMatch(/^Parked: +2$/m);
    expect(out).toMatch(/^Dead letters: +3$/m);
    expect(out).toMatch(/^Expired: +6$/m);
    expect(out).toMatch(/^Oldest unacknowledged: 1m [12]s ago$/m);
    expect(out).toMatch(/^orders +0 +2 +5 +9 +4 +1 +2 +3 +6 {2}1m [12]s ago$/m);
    expect(out).toMatch(/^orders +1 +- +0 +3 +3 +0 +0 +0 +0 {2}-$/m);
  });
});

test("message skip asks as it was told, and says what was done", async () => {
  const asked: unknown[] = [];
  const answers: Answers = {
    admin: {
      SkipMessage: (request) => {
        asked.push(request);
        return { finishedBefore: request.offset === 8, damage: "segment 3 is corrupt" };
      },
    },
  };
  const line = ["message", "skip", "orders", "--group", "g", "--queue", "1", "--offset"];
  expect((await cli(answers, [...line, "4", "--yes"])).out).toMatch(
    /^skipped offset 4 of queue 1.*segment 3 is corrupt/,
  );
  expect((await cli(answers, [...line, "8"])).out).toMatch(/had finished .* already: nothing was done/);
  const place = { topic: "orders", group: "g", queue: 1 };
  expect(asked).toMatchObject([
    { ...place, offset: 4, confirmed: true },
    { ...place, offset: 8, confirmed: false },
  ]);
});

describe("produce", () => {
  test("with a message group the lines are FIFO messages of it, one call at a time", async () => {
    const bodies: string[] = [];
    const answers: Answers = {
      send: ({ messages }) => {
        for (const { body, systemProperties } of messages) {
          bodies.push(Buffer.from(body).toString());
          expect(systemProperties).toMatchObject({ messageGroup: "g", messageType: v2.MessageType.FIFO });
        }
        return { status: ok, entries: messages.map(() => ({ status: ok, offset: 1 })) };
      },
    };
    const lines = Array.from({ length: 500 }, (_, at) => `line ${at}`);
    const io = new CapturedIo(lines.join("\n"));
    expect((await cli(answers, ["produce", "orders", "--message-group", "g"], io)).exitCode).toBe(0);
    expect(bodies).toEqual(lines);
  });

  test("sends each line with its labels and its own id, skipping empty lines", async () => {
    const bodies: string[] = [];
    const ids = new Set<string>();
    const answers: Answers = {
      send: ({ messages }) => {
        for (const { body, systemProperties, userProperties } of messages) {
          bodies.push(Buffer.from(body).toString());
          ids.add(systemProperties?.messageId ?? "");
          expect(systemProperties).toMatchObject({ tag: "t", keys: ["k1", "k2"] });
          expect(Object.fromEntries(userProperties)).toEqual({ a: "1", b: "2" });
        }
        return { status: ok, entries: messages.map(() => ({ status: ok, offset: 1 })) };
      },
    };
    const labels = ["--tag", "t", "--key", "k1", "--key", "k2", "--property", "a=1", "--property", "b=2"];
    const io = new CapturedIo("one\n\ntwo\r\n\nthree");
    const { exitCode, out, err } = await cli(answers, ["produce", "orders", ...labels], io);
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
    expect(out).toBe("sent 3 messages to orders, skipped 2 empty lines\n");
    expect(bodies).toEqual(["one", "two", "three"]);
    expect(ids.size).toBe(3);
  });

  test("names the line that was refused, and counts what was sent before", async () => {
    const refused = { code: 41_301, message: "the body is too large" };
    const answers: Answers = {
      send: ({ messages }) => ({
        status: { code: 30_000, message: "" },
        entries: messages.map(({ body }) => ({ status: body.length > 3 ? refused : ok })),
      }),
    };
    const io = new CapturedIo("one\n\nlarge\n");
    const result = await cli(answers, ["produce", "orders", "--output", "json"], io);
    expect(result.exitCode).toBe(exitCodes.usage);
    expect(JSON.parse(result.out)).toEqual({ topic: "orders", sent: 1, skipped: 1 });
    expect(result.err).toBe("saturnmq: stopped at line 3: the body is too large (code 41301)\n");
  });

  test("asks for the topic before it reads a line", async () => {
    const answers: Answers = { route: () => ({ status: { code: 40_402, message: "topic orders does not exist" } }) };
    const { exitCode, err } = await cli(answers, ["produce", "orders"], new CapturedIo("one\n"));
    expect(exitCode).toBe(exitCodes.notFound);
    expect(err).toBe("saturnmq: topic orders does not exist (code 40402)\n");
  });
});

describe("consume", () => {
  const message = (body: string, handle: string) => ({
    message: {
      topic: { name: "orders" },
      body: Buffer.from(body),
      userProperties: new Map([["a", "1"]]),
      systemProperties: { messageId: `id-${handle}`, receiptHandle: handle, deliveryAttempt: 1, queueOffset: 7 },
    },
  });

  test("prints, then acknowledges, and asks for no more than it was told to", async () => {
    const order: string[] = [];
    const sizes: number[] = [];
    const io = new CapturedIo();
    io.onOutput = (text) => order.push(`print ${text.trim()}`);
    const answers: Answers = {
      receive: ({ batchSize, group, filterExpression }) => {
        sizes.push(batchSize);
        expect(group?.name).toBe("g");
        expect(filterExpression?.expression).toBe("a || b");
        return [{ status: ok }, message(`m${sizes.length}`, `h${sizes.length}`)];
      },
      ack: ({ entries }) => {
        order.push(`ack ${entries.map(({ receiptHandle }) => receiptHandle).join()}`);
        return { status: ok, entries: entries.map(() => ({ status: ok })) };
      },
    };
    const line = ["consume", "orders", "--group", "g", "--count", "2", "--tag", "a || b"];
    expect((await cli(answers, line, io)).exitCode).toBe(0);
    expect(order).toEqual(["print m1", "ack h1", "print m2", "ack h2"]);
    expect(sizes).toEqual([2, 1]);
  });

  test("prints one JSON object a message", async () => {
    const answers: Answers = {
      receive: () => [{ status: ok }, message("m", "h")],
      ack: () => ({ status: ok, entries: [{ status: ok }] }),
    };
    const line = ["consume", "orders", "--group", "g", "--count", "1", "--output", "json"];
    expect(JSON.parse((await cli(answers, line)).out)).toEqual({
      ...{ topic: "orders", queue: 0, offset: 7, messageId: "id-h", keys: [], properties: { a: "1" } },
      ...{ attempt: 1, body: "m" },
    });
  });

  test("ends after the timeout: fine without a count, a failure with one", async () => {
    const answers: Answers = { receive: () => [{ status: { code: 40_401, message: "no new message" } }] };
    const line = ["consume", "orders", "--group", "g", "--timeout", "50ms"];
    expect((await cli(answers, line)).exitCode).toBe(exitCodes.ok);
    const counted = await cli(answers, [...line, "--count", "2"]);
    expect(counted.exitCode).toBe(exitCodes.failure);
    expect(counted.err).toContain("only 0 of 2 messages");
  });

  test("says that a message whose acknowledgement was refused comes again", async () => {
    const answers: Answers = {
      receive: () => [{ status: ok }, message("m", "h")],
      ack: () => ({
        status: { code: 40_013, message: "expired" },
        entries: [{ status: { code: 40_013, message: "expired" } }],
      }),
    };
    const { err } = await cli(answers, ["consume", "orders", "--group", "g", "--count", "1"]);
    expect(err).toContain("message id-h was printed but not acknowledged, so it comes again: expired");
  });

  test("Ctrl-C is the normal end without a count", async () => {
    const io = new CapturedIo();
    const answers: Answers = {
      receive: () => {
        io.interrupt();
        return [{ status: ok }];
      },
    };
    expect((await cli(answers, ["consume", "orders", "--group", "g"], io)).exitCode).toBe(exitCodes.ok);
  });
});
