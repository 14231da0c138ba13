import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { type DevOptions, DevServer, decodeSendReply, encodeSend, RpcClient } from "@saturnmq/bench";
import { Ballast, LoopDisk, whyNoLoopDisk, whyNoMountNamespace } from "../support/disk/small-disk.ts";
import { readAll } from "../support/load/reading.ts";

const patienceMs = 120_000;
const topic = "filling";
const diskMib = 224;
/** Bodies are 1 MiB each: 32 of them at once are too much for one answer in time on a busy machine. */
const batchSize = 4;
/** Filled beforehand, so that less is to be sent. */
const ballastBytes = 48 * 2 ** 20;
/** Small segments, so that a small disk holds several. */
const env = { SATURNMQ_STORE_SEGMENT_BYTES: String(8 * 2 ** 20) };

const tmpfs = whyNoMountNamespace();
const loop = await whyNoLoopDisk();
const disks: readonly {
  readonly disk: string;
  readonly missing: string | undefined;
  readonly open: () => Promise<Disk>;
}[] = [
  { disk: "tmpfs of a mount namespace", missing: tmpfs, open: openMemoryDisk },
  { disk: "ext4 on a loop mount", missing: loop, open: openLoopDisk },
];

describe("a full disk: sends are refused and may be tried again, acks go on, and sends go on once there is room", () => {
  for (const { disk, missing, open } of disks) {
    if (missing !== undefined) test.skip(`${disk} (skipped: ${missing})`, () => undefined);
    else test(disk, () => fillAndFree(open), patienceMs);
  }
});

async function fillAndFree(open: () => Promise<Disk>): Promise<void> {
  await using disk = await open();
  await using server = await DevServer.start({ ...disk.options, env });
  await server.cli("topic", "create", topic);
  const client = await RpcClient.open({ host: server.host, port: server.grpcPort });
  const ballast = new Ballast(disk.asSeenBy(server));
  await ballast.take(ballastBytes);

  const { stored, refusal } = await fill(client);
  expect(refusal).toMatchObject({ code: 42_900 });
  expect(refusal.message).toMatch(/disk|space|full/i);
  expect(stored.length).toBeGreaterThan(20);
  const before = await readAll(client.address, { topic, group: "while-full", batchSize }); // Acknowledges what it reads.
  expect(before.map(({ body }) => body.readUInt32BE(0)).toSorted((a, b) => a - b)).toEqual(stored);

  await ballast.release();
  expect(await sendUntilTaken(client, stored.length)).toBe(true);
  const after = await readAll(client.address, { topic, group: "afterwards", batchSize });
  expect(after).toHaveLength(stored.length + 1);
  client.close();
}

interface Disk extends AsyncDisposable {
  readonly options: DevOptions;
  /** A folder on the disk as a path of this process. */
  asSeenBy(server: DevServer): string;
}

/** The server mounts it for itself alone: no root is needed, and none of it is left when the server is gone. */
async function openMemoryDisk(): Promise<Disk> {
  const dataFolder = await mkdtemp(join(tmpdir(), "saturnmq-full-"));
  const mount = `mount -t tmpfs -o size=${diskMib}m tmpfs "${dataFolder}" && exec "$@"`;
  return {
    options: { dataFolder, wrapper: ["unshare", "-Urm", "sh", "-c", mount, "sh"] },
    asSeenBy: ({ pid }) => join(`/proc/${pid}/root`, dataFolder),
    [Symbol.asyncDispose]: () => rm(dataFolder, { recursive: true, force: true }),
  };
}

async function openLoopDisk(): Promise<Disk> {
  const disk = await LoopDisk.open(diskMib);
  return {
    options: { dataFolder: join(disk.folder, "data") },
    asSeenBy: () => disk.folder,
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

type Answer = { readonly code: number; readonly message: string };

async function send(client: RpcClient, number: number): Promise<Answer> {
  const body = Buffer.alloc(2 ** 20, "x");
  body.writeUInt32BE(number);
  const messageId = number.toString(16).padStart(34, "0").toUpperCase();
  const { messages, end } = await client.unary("SendMessage", encodeSend([{ topic, messageId, body }]), 10_000);
  return messages[0] === undefined ? { code: -1, message: JSON.stringify(end) } : decodeSendReply(messages[0]);
}

async function fill(client: RpcClient): Promise<{ stored: number[]; refusal: Answer }> {
  const stored: number[] = [];
  for (let number = 0; number < 2 * diskMib; number += 1) {
    const answer = await send(client, number);
    if (answer.code !== 20_000) return { stored, refusal: answer };
    stored.push(number);
  }
  throw new Error(`${stored.length} MiB fit on a disk of ${diskMib} MiB`);
}

async function sendUntilTaken(client: RpcClient, number: number): Promise<boolean> {
  const until = performance.now() + 30_000;
  while (performance.now() < until) {
    if ((await send(client, number)).code === 20_000) return true;
    await sleep(500);
  }
  return false;
}
