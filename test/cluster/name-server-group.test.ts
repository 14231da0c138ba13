/**
 * Three name servers as processes start them: folders on disk, ports on this machine, the group formed over gRPC, Raft's messages over links.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { openRemoteMetadata, type RemoteMetadata } from "@saturnmq/metadata-client";
import {
  type NameServerConfigInput,
  parseNameServerConfig,
  type RunningNameServer,
  startNameServer,
} from "@saturnmq/nameserver";
import { quietHost, quietPorts } from "../support/network/quiet-ports.ts";

const ids = [1, 2, 3];
const patienceMs = 30_000;
const orders = { requestId: "r1", name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined } as const;

let folder = "";
let members: { id: number; host: string; grpcPort: number; peerPort: number }[] = [];
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturnmq-group-"));
  const ports = await quietPorts(2 * ids.length);
  members = ids.map((id, at) => ({
    id,
    host: quietHost,
    grpcPort: ports[at] ?? 0,
    peerPort: ports[ids.length + at] ?? 0,
  }));
});

afterEach(async () => {
  for (const open of closing.splice(0).reverse()) await open.close();
  await rm(folder, { recursive: true });
});

function start(
  self: number,
  fields: NameServerConfigInput = {},
  signal = new AbortController().signal,
): Promise<RunningNameServer> {
  const dataDir = join(folder, String(self));
  const { grpcPort, peerPort } = members.find(({ id }) => id === self) ?? { grpcPort: 0, peerPort: 0 };
  const place = { dataDir, host: quietHost, grpcPort, peerPort, httpPort: 0, self, members };
  const config = parseNameServerConfig({ ...place, shards: 6, replicationFactor: 1, shutdownMs: 200, ...fields });
  const fatal = (error: unknown): void => {
    throw error;
  };
  return startNameServer(config, { logger: silentLogger, signal, fatal }).then((server) => {
    closing.push(server);
    return server;
  });
}

function connect(): RemoteMetadata {
  const world = { clock: systemClock(), timers: systemTimers(), random: new SeededRandom(2), logger: silentLogger };
  const endpoints = members.map(({ grpcPort }) => `${quietHost}:${grpcPort}`);
  const remote = openRemoteMetadata({ endpoints, callMs: 8_000, ...world });
  closing.push(remote);
  return remote;
}

describe("a group of three name servers", () => {
  test(
    "forms when all are there, with one cluster id, serves, and comes back after all were stopped",
    async () => {
      let early = 0;
      const starting = [1, 2].map((id) =>
        start(id).then((server) => {
          early += 1;
          return server;
        }),
      );
      // Two of three wait: what they would make now, a third with an old disk might not know.
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(early).toBe(0);
      // A broker that asks meanwhile waits, like one that finds no leader.
      const asking = connect().createTopic(orders);
      const servers = [...(await Promise.all([...starting, start(3)]))];
      expect(new Set(servers.map(({ clusterId }) => clusterId)).size).toBe(1);
      expect(await asking).toMatchObject({ id: 1 });

      for (const server of servers) await server.close();
      const two = await Promise.all([start(1), start(2)]);
      expect(two[0].clusterId).toBe(servers[0]?.clusterId);
      expect(await connect().createTopic({ ...orders, requestId: "r2", name: "more" })).toMatchObject({ id: 2 });
    },
    patienceMs,
  );

  test(
    "a member whose folder was emptied does not come back under its id",
    async () => {
      const servers = await Promise.all(ids.map((id) => start(id)));
      await connect().createTopic(orders);
      await servers[2]?.close();
      await rm(join(folder, "3"), { recursive: true });
      await expect(start(3)).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringContaining("its votes are lost with its data"),
      });
    },
    patienceMs,
  );

  test(
    "members of two clusters do not form a third",
    async () => {
      const alone = await start(1, { members: [] });
      await alone.close();
      // Member 1 has been a cluster of its own: it goes on as what it is, and member 2 must not join that by chance.
      const outcome = await Promise.allSettled([start(1), start(2)]);
      expect(outcome[0].status).toBe("fulfilled");
      expect(outcome[1]).toMatchObject({ status: "rejected", reason: { code: "FORBIDDEN" } });
    },
    patienceMs,
  );

  test(
    "members with different lists wait, and stop when they are told to",
    async () => {
      const stop = new AbortController();
      let early = 0;
      const other = members.map((member) => ({ ...member, peerPort: member.peerPort + 1 }));
      const starting = ids.map((id) =>
        start(id, id === 3 ? { members: other } : {}, stop.signal).then(() => {
          early += 1;
        }),
      );
      const outcomes = Promise.allSettled(starting);
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(early).toBe(0);
      stop.abort();
      for (const outcome of await outcomes)
        expect(outcome).toMatchObject({
          status: "rejected",
          reason: { message: expect.stringContaining("same list") },
        });
    },
    patienceMs,
  );
});
