import { expect, test } from "@jest/globals";
import { DevServer } from "@saturnmq/bench";
import { checkHistory } from "../support/check/check-history.ts";
import { Consumers } from "../support/load/consumers.ts";
import { Producers } from "../support/load/producers.ts";
import { readTopic } from "../support/load/reading.ts";
import { Recorder } from "../support/load/recorder.ts";
import { SeededBodies } from "../support/load/seeded-bodies.ts";

const topic = "terminated";
const patienceMs = 60_000;
/** What a call may be told by a server that is ending: all of these may be tried again elsewhere. */
const retryable =
  /^(?:(?:receive|ack|session): )?(not processed|the server (closed|reset|takes no new|is going)|grpc 14 |42900 |5000[02] |.*ECONNRESET|.*EPIPE)/;
const refusedOnPurpose = /^40004 /;

test(
  "SIGTERM under load: calls in flight end well or retryably, exit code 0 within 10 s, nothing acknowledged is lost",
  async () => {
    await using first = await DevServer.start();
    const options = { dataFolder: first.dataFolder, grpcPort: first.grpcPort, httpPort: first.httpPort };
    await first.cli("topic", "create", topic);
    const bodies = new SeededBodies(1, 2_048);
    const recorder = new Recorder();
    const producers = new Producers({ topic, count: 16, bodies, recorder });
    const consumers = new Consumers({ topic, group: "during", count: 1, bodies, recorder });
    const endpoints = [{ host: first.host, port: first.grpcPort }];
    const ended = new AbortController();
    const running = Promise.all([producers.run(endpoints, ended.signal), consumers.run(endpoints, ended.signal)]);
    await new Promise<void>((resolve) => recorder.once(({ ok, acked }) => ok > 400 && acked > 200, resolve));
    const exit = await first.terminate(10_000);
    ended.abort();
    await running;
    expect({ code: exit.code, signal: exit.signal }).toEqual({ code: 0, signal: null });
    const reasons = [...recorder.reasons.keys()].filter((reason) => !refusedOnPurpose.test(reason));
    expect(reasons.filter((reason) => !retryable.test(reason))).toEqual([]);
    expect(recorder.counts.ok).toBeGreaterThan(200);

    await using second = await DevServer.start(options);
    await consumers.run([{ host: second.host, port: second.grpcPort }], AbortSignal.timeout(3_000));
    expect(recorder.counts.acked).toBeGreaterThan(100);
    const reading = await readTopic(
      { host: second.host, port: second.grpcPort },
      { topic, group: "afterwards" },
      bodies,
    );
    const { sends, deliveries, settlements } = recorder;
    const history = { sends, deliveries, settlements, readings: [reading], drained: ["during"] };
    expect(checkHistory(history).anomalies).toEqual([]);
  },
  patienceMs,
);
