import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { DevServer, decodeSendReply, encodeSend, RpcClient } from "@saturnmq/bench";
import { readAll } from "../support/consumers.ts";

const patienceMs = 120_000;
const topic = "filling";
const diskMib = 224;
/** Small segments, so that a small disk holds several. */
const env = { SATURNMQ_STORE_SEGMENT_BYTES: String(8 * 2 ** 20) };

/** A disk of its own needs a namespace of its own; some kernels give none to this user. */
function whyNoDisk(): string | undefined {
  try {
    execFileSync("unshare", ["-Urm", "true"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "this user may not make a mount namespace";
  }
}

const missing = whyNoDisk();
const name = "a full disk: sends are refused and may be tried again, acks go on, and sends go on once there is room";

if (missing !== undefined) test.skip(`${name} (skipped: ${missing})`, () => undefined);
else
  test(
    name,
    async () => {
      const dataFolder = await mkdtemp(join(tmpdir(), "saturnmq-full-"));
      const mount = `mount -t tmpfs -o size=${diskMib}m tmpfs "${dataFolder}" && exec "$@"`;
      await using server = await DevServer.start({
        dataFolder,
        env,
        wrapper: ["unshare", "-Urm", "sh", "-c", mount, "sh"],
      });
      await server.cli("topic", "create", topic);
      const client = await RpcClient.open({ host: server.host, port: server.grpcPort });
      // The disk as the server sees it.
      const ballast = join(`/proc/${server.pid}/root`, dataFolder, "ballast");
      await writeFile(ballast, Buffer.alloc(48 * 2 ** 20));

      const { stored, refusal } = await fill(client);
      expect(refusal).toMatchObject({ code: 42_900 });
      expect(refusal.message).toMatch(/disk|space|full/i);
      expect(stored.length).toBeGreaterThan(20);
      const before = await readAll(client.address, { topic, group: "while-full" }); // Acknowledges what it reads.
      expect(before.map(({ body }) => body.readUInt32BE(0)).toSorted((a, b) => a - b)).toEqual(stored);

      await rm(ballast);
      const resumed = await sendUntilTaken(client, stored.length);
      expect(resumed).toBe(true);
      const after = await readAll(client.address, { topic, group: "afterwards" });
      expect(after).toHaveLength(stored.length + 1);
      client.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
    patienceMs,
  );

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
