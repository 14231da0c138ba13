import { expect, test } from "@jest/globals";
import { ManualTime } from "@saturnmq/kit/testing";
import type { BrokerInfo, ClusterView, MetadataService } from "@saturnmq/wire";
import { spreadClients } from "./client-spread.ts";

type State = BrokerInfo["state"];

function view(...states: State[]): ClusterView {
  const brokers = states.map((state, at) => [at + 1, { id: at + 1, state, draining: state === "draining" }] as const);
  return { brokers: new Map(brokers) } as unknown as ClusterView;
}

/** Broker 1 with so many connections, which stay as many whatever is let go. */
function broker(connections: number) {
  const time = new ManualTime();
  const shed: (readonly [number, number])[] = [];
  const told: number[] = [];
  const others = new Map<number, number>();
  let changed: (next: ClusterView) => void = () => undefined;
  const metadata = {
    watch: (watcher: typeof changed) => {
      changed = watcher;
    },
  } as unknown as MetadataService;
  const ending = new AbortController();
  spreadClients(
    {
      ...{ self: 1, metadata, clock: time, timers: time },
      transport: { connections, shed: (share, overMs) => shed.push([share, overMs]) },
      counts: { others, tell: (count) => told.push(count) },
    },
    ending.signal,
  );
  return { time, shed, told, others, ending, change: (...states: State[]) => changed(view(...states)) };
}

test("all connections go over 20 s when a broker came, then what is above a fair share, for a minute", () => {
  const { time, shed, others, change } = broker(20);
  change("up", "up");
  others.set(2, 12).set(3, 4);
  change("up", "up", "up");
  expect(shed).toEqual([[1, 20_000]]);
  time.advance(19_000);
  expect(shed).toHaveLength(1);
  time.advance(1_000);
  expect(shed.slice(1)).toEqual([[8 / 20, 5_000]]);
  time.advance(600_000);
  expect(shed).toHaveLength(1 + 12);
});

test("nothing above goes while one that serves has not told how many it has", () => {
  const { time, shed, others, change } = broker(20);
  change("up", "up");
  others.set(2, 12);
  change("up", "up", "up", "down");
  time.advance(30_000);
  expect(shed).toHaveLength(1);
  others.set(3, 4);
  time.advance(5_000);
  expect(shed).toHaveLength(2);
});

test("nor when no broker came, nor after its end; counts are told all along", () => {
  const { time, shed, told, others, change, ending } = broker(20);
  change("up", "up");
  others.set(2, 1);
  time.advance(60_000);
  expect(shed).toEqual([]);
  expect(told).toHaveLength(12);
  ending.abort();
  time.advance(60_000);
  expect(told).toHaveLength(12);
});

test("a broker that is to be emptied lets all go at once", () => {
  const { shed, change } = broker(20);
  change("up", "up");
  change("draining", "up");
  expect(shed).toEqual([[1, 20_000]]);
});
