import { afterEach, describe, expect, test } from "@jest/globals";
import { SaturnError, SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { MemoryLogStore } from "@saturnmq/store";
import { applyDelta, type ClusterView, emptyReport, loadMetadataCodecs, type WatchEvent } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { ClusterService } from "../cluster-service.ts";
import { Presence } from "../domain/presence.ts";
import { defaultSettings } from "../domain/state.ts";
import { type OpenMetadata, openMetadata } from "../open-metadata.ts";
import { loneNameServer, membershipOf, newcomer, topicRequest } from "../testing/cluster-state.ts";
import { metadataService } from "./metadata-service.ts";
import type { Incoming, Outgoing } from "./service.ts";

const codecs = loadMetadataCodecs();
const opened: OpenMetadata[] = [];

afterEach(async () => {
  for (const metadata of opened.splice(0)) await metadata.close();
});

/** The service over metadata in memory. @param members more than one: this member never leads, as nobody answers it */
async function serve(members: readonly number[] = [1]) {
  const store = new MemoryLogStore({ identity: { clusterId: "cluster-a", replicaId: 1, incarnation: 1 } });
  const world = { clock: systemClock(), timers: systemTimers(), random: new SeededRandom(1), logger: silentLogger };
  const metadata = await openMetadata(store, {
    ...{ ...world, turn: immediateTurn, members, transport: { send: () => undefined } },
    ...{ shards: 3, replicationFactor: 1, settings: defaultSettings, newHandleKey: () => new Uint8Array(32) },
    fatal: (error) => {
      throw error;
    },
  });
  opened.push(metadata);
  const about = { ...world, presence: new Presence(), membership: membershipOf([loneNameServer]) };
  const cluster = new ClusterService({ metadata: metadata.metadata, ...about });
  const ending = new AbortController();
  const { methods } = metadataService(cluster, ending.signal, () => ({ state: "formed", clusterId: "cluster-a" }));
  return { cluster, metadata: metadata.metadata, methods, end: () => ending.abort() };
}

/** The sending half of a stream, and what came over it. */
function stream() {
  const sent: Uint8Array[] = [];
  const failures: unknown[] = [];
  const outgoing: Outgoing & { full: boolean } = {
    full: false,
    write: (reply) => {
      sent.push(reply);
      return !outgoing.full;
    },
    drained: () => undefined,
    ended: () => undefined,
    end: (failure) => {
      failures.push(failure);
      outgoing.ended();
    },
  };
  const events = (): readonly WatchEvent[] => sent.map((bytes) => codecs.Watch.decodeReply(bytes));
  return { outgoing, sent, failures, events };
}

type Service = Awaited<ReturnType<typeof serve>>;

function watch({ methods }: Service, outgoing: Outgoing, seen?: ClusterView): void {
  const method = methods.get("Watch");
  if (method?.kind !== "serverStreaming") throw new Error("Watch streams");
  const from = { clusterId: seen?.clusterId, revision: seen?.revision ?? 0 };
  method.open(codecs.Watch.encodeRequest(from), outgoing);
}

function heartbeats({ methods }: Service, outgoing: Outgoing): Incoming {
  const method = methods.get("Heartbeat");
  if (method?.kind !== "bidirectional") throw new Error("Heartbeat streams both ways");
  return method.open(outgoing);
}

/** The view after all events. */
function viewAfter(events: readonly WatchEvent[], seen?: ClusterView): ClusterView {
  let view = seen;
  for (const event of events) view = event.kind === "view" ? event.view : applyDelta(view!, event.delta);
  return view!;
}

async function createTopics({ cluster }: Service, from: number, to: number): Promise<void> {
  for (let nth = from; nth < to; nth += 1)
    await cluster.createTopic(topicRequest({ requestId: `r${nth}`, name: `t${nth}` }));
}

describe("a watch", () => {
  test("that reads slowly gets several changes as one, and misses none", async () => {
    const service = await serve();
    const { outgoing, events } = stream();
    outgoing.full = true;
    watch(service, outgoing);
    await createTopics(service, 0, 20);
    expect(events()).toHaveLength(1);
    outgoing.full = false;
    outgoing.drained();
    expect(events().map(({ kind }) => kind)).toEqual(["view", "delta"]);
    expect(viewAfter(events()).topics.size).toBe(20);
    await createTopics(service, 20, 22);
    expect(events()).toHaveLength(4);
  });

  test("goes on from a revision with what changed since, whichever member is asked", async () => {
    const service = await serve();
    await createTopics(service, 0, 3);
    const first = stream();
    watch(service, first.outgoing);
    const seen = viewAfter(first.events());
    await createTopics(service, 3, 5);
    await service.cluster.deleteTopic({ requestId: "d", name: "t0" });
    const again = stream();
    watch(service, again.outgoing, seen);
    expect(again.events()).toMatchObject([{ kind: "delta", delta: { topicsGone: ["t0"] } }]);
    expect([...viewAfter(again.events(), seen).topics.keys()]).toEqual(["t1", "t2", "t3", "t4"]);
  });

  test("that has seen everything is sent nothing until something changes", async () => {
    const service = await serve();
    const first = stream();
    watch(service, first.outgoing);
    const again = stream();
    watch(service, again.outgoing, viewAfter(first.events()));
    expect(again.sent).toEqual([]);
    await createTopics(service, 0, 1);
    expect(again.sent).toHaveLength(1);
  });

  test("ends when its name server leads no more, and is refused by one that does not lead", async () => {
    const service = await serve();
    const { outgoing, failures } = stream();
    watch(service, outgoing);
    service.metadata.following();
    expect(failures).toMatchObject([{ code: "HA_NOT_AVAILABLE" }]);
    const follower = await serve([1, 2, 3]);
    expect(() => watch(follower, stream().outgoing)).toThrow(expect.objectContaining({ code: "HA_NOT_AVAILABLE" }));
    await expect(follower.cluster.createTopic(topicRequest())).rejects.toMatchObject({ code: "HA_NOT_AVAILABLE" });
  });

  test("is told nothing after its end", async () => {
    const service = await serve();
    const { outgoing, sent } = stream();
    watch(service, outgoing);
    outgoing.ended();
    await createTopics(service, 0, 1);
    expect(sent).toHaveLength(1);
    const other = stream();
    watch(service, other.outgoing);
    service.end();
    await createTopics(service, 1, 2);
    expect(other.sent).toHaveLength(1);
  });
});

describe("a heartbeat stream", () => {
  async function registered(): Promise<Service> {
    const service = await serve();
    await service.cluster.register(newcomer);
    await service.cluster.register({ ...newcomer, process: "p2", address: "b2:1" });
    return service;
  }

  function beat(brokerId: number, sequence: number): Uint8Array {
    return codecs.Heartbeat.encodeRequest({ sequence, brokerId, incarnation: 1, report: emptyReport });
  }

  /** Waits for what is under way. */
  async function until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise((resolve) => setImmediate(resolve));
  }

  test("is answered one by one, in order", async () => {
    const service = await registered();
    const { outgoing, sent } = stream();
    const incoming = heartbeats(service, outgoing);
    for (const sequence of [1, 2, 3]) incoming.message(beat(1, sequence));
    await until(() => sent.length === 3);
    expect(sent.map((bytes) => codecs.Heartbeat.decodeReply(bytes).sequence)).toEqual([1, 2, 3]);
  });

  test("is of one process: another broker on it is refused", async () => {
    const service = await registered();
    const incoming = heartbeats(service, stream().outgoing);
    incoming.message(beat(1, 1));
    expect(() => incoming.message(beat(2, 2))).toThrow("of one broker's process");
  });

  test("must not send without end while nothing is answered", async () => {
    const service = await registered();
    const incoming = heartbeats(service, stream().outgoing);
    for (let sequence = 1; sequence <= 16; sequence += 1) incoming.message(beat(1, sequence));
    expect(() => incoming.message(beat(1, 17))).toThrow(expect.objectContaining({ code: "TOO_MANY_REQUESTS" }));
  });

  test("is ended when the same process opens another one", async () => {
    const service = await registered();
    const one = stream();
    heartbeats(service, one.outgoing).message(beat(1, 1));
    await until(() => one.sent.length === 1);
    const two = stream();
    heartbeats(service, two.outgoing).message(beat(1, 1));
    await until(() => two.sent.length === 1);
    expect(one.failures).toMatchObject([{ code: "HA_NOT_AVAILABLE" }]);
    expect(two.failures).toEqual([]);
  });

  test("brings what a leader is asked for", async () => {
    const service = await registered();
    await service.cluster.heartbeat(1, 1, emptyReport);
    await service.cluster.heartbeat(2, 1, emptyReport);
    const refused = service.cluster.administer("TransferShard", { shard: 0, to: 2 });
    await expect(refused).rejects.toBeInstanceOf(SaturnError);
    const voters = [1, 2];
    const replica = {
      ...{ shard: 0, term: 1, leads: true, lastIndex: 1, lastTerm: 1, commitIndex: 1 },
      ...{ voters, outgoing: [], learners: [], revision: 9, progress: [{ broker: 2, match: 1 }] },
    };
    await service.cluster.heartbeat(1, 1, { ...emptyReport, replicas: [replica] });
    await service.cluster.administer("TransferShard", { shard: 0, to: 2 });
    const { outgoing, sent } = stream();
    heartbeats(service, outgoing).message(beat(1, 1));
    await until(() => sent.length === 1);
    expect(codecs.Heartbeat.decodeReply(sent[0]!).transfers).toEqual([{ shard: 0, to: 2 }]);
  });
});
