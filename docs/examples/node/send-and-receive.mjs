// Sends every line of a file and receives each exactly as it was sent, with the official RocketMQ client and nothing else.
//
//   npx saturnmq topic create lines
//   node send-and-receive.mjs --topic lines package-lock.json
//
// Then it leaves a few messages unacknowledged, and shows that those, and only those, come again with a higher attempt.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Producer, SimpleConsumer } from "rocketmq-client-nodejs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    endpoint: { type: "string", default: "127.0.0.1:8081" },
    topic: { type: "string", default: "lines" },
    group: { type: "string", default: `lines-${Date.now().toString(36)}` },
    tls: { type: "boolean", default: false },
  },
});
const { endpoint, topic, group, tls } = values;
const file = positionals[0] ?? "package-lock.json";

// An empty body is not a message in RocketMQ.
const lines = readFileSync(file, "utf8")
  .split("\n")
  .filter((line) => line !== "");
/** Marks the messages of this run: the topic may hold others. */
const run = Date.now().toString(36);
const parallel = 200;
const quiet = { info() {}, warn: console.warn, error: console.error };
const common = { endpoints: endpoint, namespace: "", sslEnabled: tls, logger: quiet };

const producer = new Producer({ ...common, topics: [topic] });
const consumer = new SimpleConsumer({
  ...common,
  consumerGroup: group,
  subscriptions: new Map([[topic, "*"]]),
  awaitDuration: 5_000,
});
await producer.startup();
await consumer.startup();

console.log(`sending ${lines.length} lines of ${file} to ${topic} at ${endpoint}`);
let startedAt = performance.now();
for (let from = 0; from < lines.length; from += parallel) {
  await Promise.all(lines.slice(from, from + parallel).map((line, n) => producer.send(message(line, from + n))));
}
console.log(`sent ${lines.length} in ${seconds(startedAt)} s`);

startedAt = performance.now();
const received = new Map();
/** The last few to arrive are not acknowledged, and so expected again. */
const withheld = new Set();
while (received.size < lines.length) {
  const batch = await consumer.receive(32, 10_000);
  assert(batch.length > 0, `only ${received.size} of ${lines.length} lines came`);
  await Promise.all(batch.map((view) => (isMine(view) ? take(view) : consumer.ack(view))));
}
console.log(`received ${received.size} in ${seconds(startedAt)} s, each as it was sent; left ${withheld.size} unacknowledged`);

const again = new Set();
const until = performance.now() + 30_000;
while (again.size < withheld.size && performance.now() < until) {
  for (const view of (await consumer.receive(32, 60_000)).filter(isMine)) {
    assert(withheld.has(numberOf(view)), `line ${numberOf(view)} was acknowledged and came again`);
    assert(view.deliveryAttempt > 1, `attempt ${view.deliveryAttempt} of a message that came again`);
    again.add(numberOf(view));
    await consumer.ack(view);
  }
}
assert.equal(again.size, withheld.size, "every unacknowledged message comes again");
assert.deepEqual((await consumer.receive(32, 10_000)).filter(isMine), [], "nothing acknowledged comes again");
console.log(`the ${again.size} unacknowledged came again with a higher attempt, no other did`);
await consumer.shutdown();
await producer.shutdown();

function message(line, number) {
  return {
    topic,
    tag: `tag-${number % 7}`,
    keys: [`line-${number}`, `run-${run}`],
    properties: new Map([
      ["run", run],
      ["number", String(number)],
    ]),
    body: Buffer.from(line),
  };
}

function isMine(view) {
  return view.properties.get("run") === run;
}

function numberOf(view) {
  return Number(view.properties.get("number"));
}

/** Compares a message with its line, and acknowledges it unless it is one of the last five to arrive. */
async function take(view) {
  const number = numberOf(view);
  assert(!received.has(number), `line ${number} came twice`);
  received.set(number, view);
  assert.equal(view.body.toString(), lines[number], `body of line ${number}`);
  assert(!view.corrupted, `the digest of line ${number} does not fit its body`);
  assert.equal(view.topic, topic);
  assert.equal(view.tag, `tag-${number % 7}`);
  assert.deepEqual(view.keys, [`line-${number}`, `run-${run}`]);
  assert.equal(view.deliveryAttempt, 1);
  if (lines.length - received.size >= 5) await consumer.ack(view);
  else withheld.add(number);
}

function seconds(since) {
  return ((performance.now() - since) / 1_000).toFixed(1);
}
