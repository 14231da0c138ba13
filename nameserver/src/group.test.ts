/**
 * A group of three name servers over a network in memory, each with its gRPC port on this machine, and the client that brokers use. What is
 * missing to a cluster of processes are the links between members.
 */
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { openRemoteMetadata, type RemoteMetadata } from "@saturnmq/metadata-client";
import { MemoryLogStore } from "@saturnmq/store";
import { type ClusterView, emptyReport } from "@saturnmq/wire";
import { immediateTurn, type PeerMessage } from "raft-ts";
import { ClusterService } from "./cluster-service.ts";
import { Presence } from "./domain/presence.ts";
import { defaultSettings } from "./domain/state.ts";
import { adminService } from "./grpc/admin-service.ts";
import { metadataService } from "./grpc/metadata-service.ts";
import { type RunningGrpc, serveGrpc } from "./grpc/serve.ts";
import { type OpenMetadata, openMetadata } from "./open-metadata.ts";
import { loneNameServer, membershipOf, newcomer, topicRequest } from "./testing/cluster-state.ts";

// A busy machine takes its time.
jest.setTimeout(60_000);

const ids = [1, 2, 3];
const world = { clock: systemClock(), timers: systemTimers(), logger: silentLogger };
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Member = { readonly metadata: OpenMetadata; readonly cluster: ClusterService; readonly grpc: RunningGrpc };

/** Three members. */
class Group {
  readonly #members = new Map<number, Member>();

  static async start(): Promise<Group> {
    const group = new Group();
    for (const id of ids) await group.#open(id);
    closing.push(() => group.close());
    return group;
  }

  async #open(id: number): Promise<void> {
    const store = new MemoryLogStore({ identity: { clusterId: "cluster-a", replicaId: id, incarnation: 1 } });
    const send = (to: number, message: PeerMessage): void => {
      // Payloads may be overwritten once `send` returned.
      const copy = structuredClone(message);
      setImmediate(() => {
        if (this.#members.has(id)) this.#members.get(to)?.metadata.receive(id, copy);
      });
    };
    const metadata = await openMetadata(store, {
      ...{ ...world, random: new SeededRandom(id), turn: immediateTurn, members: ids, transport: { send } },
      ...{
        shards: 3,
        replicationFactor: 1,
        settings: defaultSettings,
        newHandleKey: () => new Uint8Array(32).fill(id),
      },
      fatal: (error) => {
        throw error;
      },
    });
    const nameServers = ids.map((member) => ({ ...loneNameServer, id: member }));
    const about = { ...world, presence: new Presence(), membership: membershipOf(nameServers) };
    const cluster = new ClusterService({ metadata: metadata.metadata, ...about });
    const services = [
      metadataService(cluster, new AbortController().signal, () => ({ state: "formed", clusterId: "cluster-a" })),
      adminService(cluster),
    ];
    const leaderAddress = (): string | undefined => this.#address(cluster.leader);
    const grpc = await serveGrpc(services, { host: "127.0.0.1", port: 0, logger: silentLogger, leaderAddress });
    this.#members.set(id, { metadata, cluster, grpc });
  }

  #address(id: number): string | undefined {
    const member = this.#members.get(id);
    return member === undefined ? undefined : `127.0.0.1:${member.grpc.port}`;
  }

  get addresses(): readonly string[] {
    return [...this.#members.keys()].flatMap((id) => this.#address(id) ?? []);
  }

  leader(): number {
    return [...this.#members].find(([, { cluster }]) => cluster.serving)?.[0] ?? 0;
  }

  /** Ends a member at once, its connections too. */
  async stop(id: number): Promise<void> {
    const member = this.#members.get(id);
    this.#members.delete(id);
    await member?.grpc.close(0);
    await member?.metadata.close();
  }

  async close(): Promise<void> {
    for (const id of [...this.#members.keys()]) await this.stop(id);
  }
}

function connect(endpoints: readonly string[], callMs = 8_000): RemoteMetadata {
  const remote = openRemoteMetadata({ endpoints, ...world, random: new SeededRandom(9), callMs });
  closing.push(() => remote.close());
  return remote;
}

/** Every revision that a watcher is told, and a way to wait for a topic. */
function watched(remote: RemoteMetadata) {
  const views: ClusterView[] = [];
  const wake: (() => void)[] = [];
  remote.watch((view) => {
    views.push(view);
    for (const done of wake.splice(0)) done();
  }, new AbortController().signal);
  const until = async (topic: string): Promise<ClusterView> => {
    for (;;) {
      const found = views.find(({ topics }) => topics.has(topic));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => wake.push(resolve));
    }
  };
  return { views, until };
}

describe("a group of three name servers", () => {
  test("serves through whichever member is asked, and one leads", async () => {
    const group = await Group.start();
    for (const [nth, address] of group.addresses.entries()) {
      const topic = await connect([address]).createTopic(topicRequest({ requestId: `r${nth}`, name: `t${nth}` }));
      expect(topic.id).toBe(nth + 1);
    }
  });

  test("loses its leader: calls, heartbeats and watches go on at another one, and nothing is missed", async () => {
    const group = await Group.start();
    const remote = connect(group.addresses);
    await remote.register(newcomer);
    await remote.heartbeat(1, 1, emptyReport);
    const { views, until } = watched(remote);
    await remote.createTopic(topicRequest({ requestId: "r0", name: "t0" }));
    await until("t0");
    const before = group.leader();
    await group.stop(before);
    const [topic] = await Promise.all([
      remote.createTopic(topicRequest({ requestId: "r1", name: "t1" })),
      remote.deleteTopic({ requestId: "r2", name: "t0" }),
    ]);
    expect(topic.id).toBe(2);
    const view = await until("t1");
    expect(group.leader()).not.toBe(before);
    expect(await remote.heartbeat(1, 1, emptyReport)).toEqual({ transfers: [] });
    const revisions = views.map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    expect(new Set(revisions).size).toBe(revisions.length);
    expect(view.handleKeys[0]).toEqual(views[0]?.handleKeys[0]);
    await remote.createTopic(topicRequest({ requestId: "r3", name: "t2" }));
    expect([...(await until("t2")).topics.keys()]).toEqual(["t1", "t2"]);
  });

  test("without a majority refuses changes, and shows what was watched", async () => {
    const group = await Group.start();
    const remote = connect(group.addresses, 3_000);
    const { until } = watched(remote);
    await remote.createTopic(topicRequest());
    await until("orders");
    const leader = group.leader();
    for (const id of ids.filter((other) => other !== leader).slice(0, 1)) await group.stop(id);
    await group.stop(leader);
    await expect(remote.createTopic(topicRequest({ requestId: "r2", name: "late" }))).rejects.toMatchObject({
      code: "HA_NOT_AVAILABLE",
    });
    expect(remote.view?.topics.has("orders")).toBe(true);
  });
});
