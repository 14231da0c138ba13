import { expect, test } from "@jest/globals";
import { DevServer } from "@saturnmq/bench";
import { AckingConsumer, readAll } from "../support/consumers.ts";
import { checkHistory } from "../support/history.ts";
import { Producers } from "../support/producers.ts";
import { SeededBodies } from "../support/seeded-bodies.ts";

const topic = "terminated";
const patienceMs = 60_000;
/** What a call may be told by a server that is ending: all of these may be tried again elsewhere. */
const retryable = /^(not processed|the server (closed|reset)|grpc 14 |42900 |5000[02] |.*ECONNRESET|.*EPIPE)/;
const refusedOnPurpose = /^40004 /;

test(
  "SIGTERM under load: calls in flight end well or retryably, exit code 0 within 10 s, nothing acknowledged is lost",
  async () => {
    await using first = await DevServer.start();
    const options = { dataFolder: first.dataFolder, grpcPort: first.grpcPort, httpPort: first.httpPort };
    await first.cli("topic", "create", topic);
    const bodies = new SeededBodies(1, 2_048);
    const producers = new Producers({ topic, count: 16, bodies });
    const consumer = new AckingConsumer({ topic, group: "during" });
    const address = { host: first.host, port: first.grpcPort };
    const signal = AbortSignal.timeout(20_000);
    const running = Promise.all([producers.run(address, signal), consumer.run(address, signal)]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const exit = await first.terminate(10_000);
    await running;
    expect({ code: exit.code, signal: exit.signal }).toEqual({ code: 0, signal: null });
    const reasons = [...producers.reasons.keys()].filter((reason) => !refusedOnPurpose.test(reason));
    expect(reasons.filter((reason) => !retryable.test(reason))).toEqual([]);
    expect(producers.acknowledged).toBeGreaterThan(200);

    await using second = await DevServer.start(options);
    const again = AbortSignal.timeout(3_000);
    const restarted = { host: second.host, port: second.grpcPort };
    await consumer.run(restarted, again);
    expect(consumer.brokenAcks).toEqual([]);
    expect(consumer.acknowledged).toBeGreaterThan(100);
    const reads = await readAll(restarted, { topic, group: "afterwards" });
    expect(checkHistory(producers.operations, reads, bodies)).toEqual([]);
  },
  patienceMs,
);
