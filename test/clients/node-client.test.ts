import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DevServer } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import { type MessageView, Producer, SimpleConsumer } from "rocketmq-client-nodejs";

// The official client, unmodified, against a broker of our own. It takes its own time: a minute is not unusual for a redelivery.
const patienceMs = 240_000;
/** The shortest invisible time that clients may ask for (contract 2.13). */
const invisibleMs = 10_000;
const ignore = (): void => undefined;
const logger = { info: ignore, warn: ignore, error: ignore };
const lockFile = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
const example = fileURLToPath(new URL("../../docs/examples/node/send-and-receive.mjs", import.meta.url));
const pushConsumer = fileURLToPath(new URL("./push-consumer.mjs", import.meta.url));
// Blank lines have no body, and RocketMQ refuses those.
const lines = readFileSync(lockFile, "utf8")
  .split("\n")
  .filter((line) => line !== "");

let server: DevServer;
let producer: Producer;
const closing: (() => Promise<void>)[] = [];

function client() {
  return { endpoints: server.endpoint, namespace: "", logger };
}

async function consumer(
  topic: string,
  group: string,
  options: { filter?: string; awaitMs?: number } = {},
): Promise<SimpleConsumer> {
  const started = new SimpleConsumer({
    ...client(),
    consumerGroup: group,
    subscriptions: new Map([[topic, options.filter ?? "*"]]),
    awaitDuration: options.awaitMs ?? 2_000,
  });
  await started.startup();
  closing.push(() => started.shutdown());
  return started;
}

describe.each(["h2", "grpc-js"])("over %s", (transport) => {
  beforeAll(async () => {
    server = await DevServer.start({ env: { SATURNMQ_TRANSPORT: transport } });
    for (const topic of ["lines", "again", "tags", "colours", "pushed", "polled", "empty", "tls"])
      await server.cli("topic", "create", topic);
    for (const topic of ["ordered", "pushed-in-order", "given-up"])
      await server.cli("topic", "create", topic, "--type", "fifo");
    for (const group of ["ordered-readers", "ordered-push"]) await server.cli("group", "create", group, "--order");
    await server.cli("group", "create", "strict-push", "--order", "--max-attempts", "1");
    await server.cli("group", "create", "impatient", "--max-attempts", "1");
    producer = new Producer({ ...client(), topics: ["lines"] });
    await producer.startup();
    closing.push(() => producer.shutdown());
  }, patienceMs);

  afterAll(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    // The client does not wait for the end of its telemetry streams, and dies of a connection that is lost before.
    await sleep(500);
    await server[Symbol.asyncDispose]();
  }, patienceMs);

  describe("every line of package-lock.json", () => {
    test(
      "is received exactly as sent: body, tag, keys and properties",
      async () => {
        expect(lines.length).toBeGreaterThan(5_000);
        const parallel = 250;
        for (let from = 0; from < lines.length; from += parallel) {
          const part = lines.slice(from, from + parallel);
          await Promise.all(part.map((line, n) => producer.send(lineMessage(line, from + n))));
        }
        const received = await receiveAll(await consumer("lines", "line-readers"), lines.length);
        expect([...received.keys()].toSorted((a, b) => a - b)).toEqual(lines.map((_, number) => number));
        for (const [number, view] of received)
          expect(asSent(view)).toEqual(expectation(defined(lines[number], "line"), number));
      },
      patienceMs,
    );

    test(
      "is not delivered again to a group that acknowledged it",
      async () => {
        const readers = await consumer("lines", "line-readers", { awaitMs: 11_000 });
        expect(await readers.receive(32, invisibleMs)).toEqual([]);
      },
      patienceMs,
    );
  });

  test(
    "unacknowledged messages come again with a higher attempt, acknowledged ones do not",
    async () => {
      await sendNumbers("again", 40);
      const readers = await consumer("again", "again-readers");
      const first = await receiveAll(readers, 40, { acknowledge: (number) => number % 2 === 0 });
      expect([...first.values()].map((view) => view.deliveryAttempt)).toEqual(Array<number>(40).fill(1));
      const second = await receiveAll(readers, 20);
      expect([...second.keys()].every((number) => number % 2 === 1)).toBe(true);
      expect([...second.values()].map((view) => view.deliveryAttempt)).toEqual(Array<number>(20).fill(2));
      expect(await readers.receive(32, invisibleMs)).toEqual([]);
    },
    patienceMs,
  );

  test(
    "changeInvisibleDuration gives a message back early, and the old handle is dead",
    async () => {
      const other = await consumer("again", "again-movers");
      const [view] = await other.receive(1, 60_000);
      const taken = defined(view, "message");
      const old = taken.receiptHandle;
      await other.changeInvisibleDuration(taken, 0);
      const again = await receiveUntil(other, (next) => next.messageId === taken.messageId);
      expect(again.deliveryAttempt).toBe(2);
      expect(again.receiptHandle).not.toBe(old);
      await expect(other.ack(Object.assign(taken, { receiptHandle: old }))).rejects.toThrow(/40013/);
      await other.ack(again);
    },
    patienceMs,
  );

  test(
    "a tag filter lets exactly the tags that it names through",
    async () => {
      for (const tag of ["red", "green", "blue", "red", "Red"])
        await producer.send({ topic: "tags", tag, body: Buffer.from(tag) });
      const readers = await consumer("tags", "tag-readers", { filter: "red||blue" });
      const received = await receiveFor(readers, 3);
      expect(received.map(({ body }) => body.toString()).toSorted()).toEqual(["blue", "red", "red"]);
      expect(await readers.receive(32, invisibleMs)).toEqual([]);
    },
    patienceMs,
  );

  test(
    "two consumers of one group with different tags each get exactly theirs",
    async () => {
      // Both are there before the first message: what nobody of the group has asked for may be finished.
      const red = await consumer("colours", "colour-readers", { filter: "red" });
      const cold = await consumer("colours", "colour-readers", { filter: "blue||green" });
      const tags = ["red", "green", "blue", "grey"];
      const sent = Array.from({ length: 80 }, (_, at) => defined(tags[at % 4], "tag"));
      await Promise.all(
        sent.map((tag, at) => producer.send({ topic: "colours", tag, body: Buffer.from(`${tag} ${at}`) })),
      );
      const expected = (wanted: readonly string[]): string[] =>
        sent.flatMap((tag, at) => (wanted.includes(tag) ? [`${tag} ${at}`] : [])).toSorted();
      const bodies = (views: readonly MessageView[]): string[] => views.map(({ body }) => body.toString()).toSorted();
      // The one reads all it gets before the other begins.
      expect(bodies(await receiveFor(red, 20))).toEqual(expected(["red"]));
      expect(bodies(await receiveFor(cold, 40))).toEqual(expected(["blue", "green"]));
      expect(await red.receive(32, invisibleMs)).toEqual([]);
      expect(await cold.receive(32, invisibleMs)).toEqual([]);
      // Nobody wanted the grey ones: they are no lag.
      expect(await lagOf("colour-readers")).toEqual(["0"]);
    },
    patienceMs,
  );

  test(
    "an empty receive is held for its time, and ends as soon as a message is there",
    async () => {
      const readers = await consumer("polled", "polled-readers", { awaitMs: 3_000 });
      let startedAt = performance.now();
      expect(await readers.receive(1, invisibleMs)).toEqual([]);
      expect(performance.now() - startedAt).toBeGreaterThan(2_800);
      startedAt = performance.now();
      const waiting = readers.receive(1, invisibleMs);
      await sleep(300);
      await producer.send({ topic: "polled", body: Buffer.from("now") });
      expect((await waiting).map(({ body }) => body.toString())).toEqual(["now"]);
      expect(performance.now() - startedAt).toBeLessThan(1_500);
    },
    patienceMs,
  );

  test(
    "a push consumer gets everything, and again what it failed",
    async () => {
      await sendNumbers("pushed", 200);
      const deliveries = await pushDeliveries("pushed", 201);
      expect(deliveries.filter(({ corrupted }) => corrupted)).toEqual([]);
      expect(new Set(deliveries.map(({ body }) => body)).size).toBe(200);
      expect(deliveries.filter(({ body }) => body === "number 7").map(({ attempt }) => attempt)).toEqual([1, 2]);
      // What it acknowledged is done: the group has nothing left.
      expect(await lagOf("push-readers")).toEqual(["0"]);
    },
    patienceMs,
  );

  describe("message groups", () => {
    const letters = ["a", "b", "c", "d"] as const;

    /** Rounds of one message a group, each sent after the one before it was stored. */
    async function sendInOrder(topic: string, rounds: number): Promise<void> {
      for (let round = 0; round < rounds; round += 1) {
        await Promise.all(
          letters.map((letter) =>
            producer.send({ topic, messageGroup: letter, body: Buffer.from(`${letter}${round}`) }),
          ),
        );
      }
    }

    const inOrder = (rounds: number): Record<string, string[]> =>
      Object.fromEntries(
        letters.map((letter) => [letter, Array.from({ length: rounds }, (_, at) => `${letter}${at}`)]),
      );
    const byGroup = (bodies: readonly string[]): Partial<Record<string, string[]>> =>
      Object.groupBy(bodies, (body) => body[0] ?? "");

    test(
      "two simple consumers share an ordered group: one of them has a message group at a time, and each comes in order",
      async () => {
        await sendInOrder("ordered", 25);
        const readers = [await consumer("ordered", "ordered-readers"), await consumer("ordered", "ordered-readers")];
        const [first] = readers;
        const held = await defined(first, "consumer").receive(1, invisibleMs);
        const [blocked] = held;
        const letter = defined(blocked, "message").body.toString()[0];
        // While one message of its group is out, no other one is given to anybody.
        for (let turn = 0; turn < 3; turn += 1) {
          for (const reader of readers) {
            const views = await reader.receive(8, 30_000);
            expect(views.filter((view) => view.body.toString().startsWith(defined(letter, "letter")))).toEqual([]);
            for (const view of views) await reader.changeInvisibleDuration(view, 0);
          }
        }
        await defined(first, "consumer").ack(defined(blocked, "message"));
        const finished = [defined(blocked, "message").body.toString()];
        const until = performance.now() + patienceMs / 2;
        while (finished.length < 100 && performance.now() < until) {
          await Promise.all(
            readers.map(async (reader) => {
              for (const view of await reader.receive(5, invisibleMs)) {
                await reader.ack(view);
                finished.push(view.body.toString());
              }
            }),
          );
        }
        expect(byGroup(finished)).toEqual(inOrder(25));
        expect(defined(blocked, "message").messageGroup).toBe(letter);
      },
      patienceMs,
    );

    test(
      "a push consumer of an ordered group gets each message group in order, a failed one again before what follows it",
      async () => {
        await sendInOrder("pushed-in-order", 10);
        const deliveries = await pushDeliveries("pushed-in-order", 41, "ordered-push", "b3");
        const bodies = deliveries.map(({ body }) => body);
        const expected = inOrder(10);
        expected["b"]?.splice(3, 0, "b3");
        expect(byGroup(bodies)).toEqual(expected);
        expect(await lagOf("ordered-push")).toEqual(["0"]);
      },
      patienceMs,
    );
  });

  describe("dead letters", () => {
    test(
      "what an ordered push consumer gives up goes to its group's dead letters, and what follows it is consumed",
      async () => {
        for (const body of ["a0", "a1", "a2"])
          await producer.send({ topic: "given-up", messageGroup: "a", tag: "t", body: Buffer.from(body) });
        const deliveries = await pushDeliveries("given-up", 3, "strict-push", "a1");
        expect(deliveries.map(({ body }) => body)).toEqual(["a0", "a1", "a2"]);
        const [letter] = await receiveFor(await consumer("%DLQ%strict-push", "undertaker"), 1);
        expect(letter).toMatchObject({ topic: "%DLQ%strict-push", tag: "t", messageGroup: "a" });
        expect(letter?.body.toString()).toBe("a1");
        expect(letter?.corrupted).toBeUndefined();
        expect(await server.cli("group", "describe", "strict-push")).toMatch(/^Dead letters: +1$/m);
      },
      patienceMs,
    );

    test(
      "a message that is never acknowledged becomes one after its last attempt; nobody sends to their topic",
      async () => {
        await producer.send({ ...lineMessage("given up", 7), topic: "again" });
        const impatient = await consumer("again", "impatient");
        const last = await receiveUntil(impatient, ({ body }) => body.toString() === "given up");
        await impatient.changeInvisibleDuration(last, 0);
        const letters = await receiveFor(await consumer("%DLQ%impatient", "undertaker"), 1);
        const expected = { ...expectation("given up", 7), topic: "%DLQ%impatient" };
        expect(letters.map((letter) => asSent(letter))).toContainEqual(expected);
        await expect(producer.send({ topic: "%DLQ%impatient", body: Buffer.from("x") })).rejects.toThrow();
      },
      patienceMs,
    );
  });

  test(
    "TLS on the same port, with the server's certificate checked: the script of docs/examples",
    async () => {
      const file = join(server.dataFolder, "lines.txt");
      await writeFile(file, lines.slice(0, 60).join("\n"));
      const commandLine = [example, "--tls", "--topic", "tls", "--endpoint", server.endpoint, file];
      // The client trusts no certificate of its own accord, and reads further roots from here only.
      const roots = join(server.dataFolder, "tls", "tls-certificate.pem");
      const env = { ...process.env, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: roots };
      const { stdout } = await promisify(execFile)(process.execPath, commandLine, { env, timeout: patienceMs - 5_000 });
      expect(stdout).toMatch(/received 60 in .* each as it was sent; left 5 unacknowledged/);
      expect(stdout).toMatch(/the 5 unacknowledged came again with a higher attempt, no other did/);
    },
    patienceMs,
  );

  describe("refusals reach the client with a reason", () => {
    test(
      "a topic that does not exist",
      async () => {
        await expect(producer.send({ topic: "nowhere", body: Buffer.from("x") })).rejects.toThrow(/40402.*nowhere/s);
      },
      patienceMs,
    );

    test("an empty body", async () => {
      await expect(producer.send({ topic: "empty", body: Buffer.alloc(0) })).rejects.toThrow();
    });

    test("a FIFO message to a NORMAL topic", async () => {
      await expect(producer.send({ topic: "empty", body: Buffer.from("x"), messageGroup: "g" })).rejects.toThrow(
        /type/i,
      );
    });
  });
});

test(
  "connections that take leave every second cost no send and no receive",
  async () => {
    await using moody = await DevServer.start({ env: { SATURNMQ_CONNECTIONS_AGE_MS: "1000" } });
    await moody.cli("topic", "create", "restless");
    const world = { endpoints: moody.endpoint, namespace: "", logger };
    const sender = new Producer({ ...world, topics: ["restless"] });
    await sender.startup();
    const subscriptions = new Map([["restless", "*"]]);
    const reader = new SimpleConsumer({ ...world, consumerGroup: "movers", subscriptions, awaitDuration: 3_000 });
    await reader.startup();
    const untilMs = performance.now() + 6_000;
    const sent: string[] = [];
    const received: string[] = [];
    const receiving = (async () => {
      for (let empty = 0; empty < 2; ) {
        const views = await reader.receive(32, invisibleMs);
        empty = performance.now() > untilMs && views.length === 0 ? empty + 1 : 0;
        for (const view of views) {
          await reader.ack(view);
          received.push(view.body.toString());
        }
      }
    })();
    for (let number = 0; performance.now() < untilMs; number += 1) {
      await sender.send({ topic: "restless", body: Buffer.from(`${number}`) });
      sent.push(`${number}`);
      await sleep(20);
    }
    await receiving;
    expect(received.toSorted()).toEqual(sent.toSorted());
    await reader.shutdown();
    await sender.shutdown();
    await sleep(500);
  },
  patienceMs,
);

function lineMessage(line: string, number: number) {
  return {
    topic: "lines",
    tag: `tag-${number % 7}`,
    keys: [`line-${number}`, `length-${line.length}`],
    properties: new Map([
      ["number", String(number)],
      ["emphasis", "später — 後で"],
    ]),
    body: Buffer.from(line),
  };
}

function expectation(line: string, number: number) {
  return { ...lineMessage(line, number), body: line, corrupted: undefined, attempt: 1 };
}

function asSent(view: MessageView) {
  const { topic, tag, keys, properties, deliveryAttempt } = view;
  // `corrupted` stays undefined when the digest fits.
  return {
    topic,
    tag,
    keys,
    properties,
    body: view.body.toString(),
    corrupted: view.corrupted,
    attempt: deliveryAttempt,
  };
}

type Delivery = { readonly body: string; readonly attempt: number; readonly corrupted: boolean };

/** What a push consumer in a process of its own is given, until `count` deliveries have come; it fails one body once. */
async function pushDeliveries(
  topic: string,
  count: number,
  group = "push-readers",
  failing = "number 7",
): Promise<readonly Delivery[]> {
  const child = spawn(process.execPath, [pushConsumer, server.endpoint, topic, group, failing]);
  const late = setTimeout(() => child.kill(), patienceMs / 2);
  const deliveries: Delivery[] = [];
  for await (const line of createInterface(child.stdout)) {
    deliveries.push(JSON.parse(line) as Delivery);
    if (deliveries.length === count) setTimeout(() => child.kill(), 1_000); // Time for its acks, and for one delivery too many.
  }
  clearTimeout(late);
  return deliveries;
}

/** As the command shows it. */
async function lagOf(group: string): Promise<readonly string[]> {
  const text = await server.cli("group", "describe", group);
  return [...text.matchAll(/^Lag:?\s+(\d+)/gm)].flatMap((match) => match[1] ?? []);
}

async function sendNumbers(topic: string, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  await Promise.all(numbers.map((n) => producer.send({ ...lineMessage(`number ${n}`, n), topic })));
}

/** Receives until `count` messages have come, by their number; fails on one that comes twice. Acknowledges those it is told to. */
async function receiveAll(
  from: SimpleConsumer,
  count: number,
  { acknowledge = () => true }: { acknowledge?: (number: number) => boolean } = {},
): Promise<Map<number, MessageView>> {
  const received = new Map<number, MessageView>();
  const until = performance.now() + patienceMs / 2;
  while (received.size < count && performance.now() < until) {
    const views = await from.receive(32, invisibleMs);
    for (const view of views) {
      const number = Number(view.properties.get("number"));
      const before = received.get(number);
      // Stored twice, where the client did not wait for the answer to its first send; never delivered twice.
      if (before !== undefined)
        expect([view.messageId, view.deliveryAttempt]).toEqual([before.messageId, before.deliveryAttempt]);
      received.set(number, view);
    }
    await Promise.all(
      views.filter((view) => acknowledge(Number(view.properties.get("number")))).map((view) => from.ack(view)),
    );
  }
  expect(received.size).toBe(count);
  return received;
}

async function receiveFor(from: SimpleConsumer, count: number): Promise<MessageView[]> {
  const received: MessageView[] = [];
  const until = performance.now() + 20_000;
  while (received.length < count && performance.now() < until) {
    const views = await from.receive(32, invisibleMs);
    await Promise.all(views.map((view) => from.ack(view)));
    received.push(...views);
  }
  return received;
}

async function receiveUntil(from: SimpleConsumer, wanted: (view: MessageView) => boolean): Promise<MessageView> {
  const until = performance.now() + 20_000;
  while (performance.now() < until) {
    const found = (await from.receive(32, 60_000)).find(wanted);
    if (found !== undefined) return found;
  }
  throw new Error("the message did not come again");
}
