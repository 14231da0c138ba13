import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { freePort } from "@saturnmq/bench";
import { OfficialClients } from "./official-clients.ts";
import { Recorder } from "./recorder.ts";

const patienceMs = 60_000;

test(
  "processes of the official client that die are started again, counted, and end when they are told to",
  async () => {
    const recorder = new Recorder();
    const clients = new OfficialClients({
      // Nobody is there: the client gives up at its start, with the process.
      ...{ endpoint: `127.0.0.1:${await freePort()}`, topic: "nowhere", group: "nobody", recorder },
      ...{ producers: 1, firstProducer: 5, consumers: 1, invisibleMs: 10_000 },
      ...{ seed: 1, largestBodyBytes: 100 },
    });
    const [sending, receiving] = [new AbortController(), new AbortController()];
    const running = clients.run(sending.signal, receiving.signal);
    while (clients.crashes < 3) await sleep(20);
    sending.abort();
    receiving.abort();
    await running;
    expect([...recorder.reasons.keys()].join()).toMatch(/the official client's process ended: .*Error/);
    expect([recorder.sends, recorder.deliveries]).toEqual([[], []]);
  },
  patienceMs,
);
