import { setTimeout as sleep } from "node:timers/promises";
import { type Address, decodeSendReply, encodeSend, RpcClient } from "@saturnmq/bench";
import { readAll } from "./reading.ts";

const okCode = 20_000;
const timeoutMs = 10_000;
const candidatesAtOnce = 64;
const attemptsMax = 20;
/** A shard may be without a leader for a while. */
const pauseMs = 500;
const noReply = { code: -1, message: "" };

/**
 * Message groups for each queue of topics with so many queues, `each` of them, in the order of the queues. Found by sending to many groups: where a group
 * lives is the broker's business.
 *
 * @param topic a FIFO topic of that many queues, empty and for this use only
 */
export async function messageGroupsByQueue(
  address: Address,
  { topic, queues, each }: { readonly topic: string; readonly queues: number; readonly each: number },
): Promise<readonly (readonly string[])[]> {
  const groups = Array.from({ length: queues }, (): string[] => []);
  const client = await RpcClient.open(address);
  try {
    for (let attempt = 0; groups.some(({ length }) => length < each); attempt += 1) {
      if (attempt === attemptsMax)
        throw new Error(`not every queue has ${each} message groups: ${JSON.stringify(groups)}`);
      const numbers = Array.from({ length: candidatesAtOnce }, (_, at) => attempt * candidatesAtOnce + at);
      await Promise.all(numbers.map((number) => sendTo(client, topic, number)));
      const reads = await readAll(address, { topic, group: "finds-groups" });
      for (const { queue, body } of reads) {
        const found = groups[queue];
        if (found?.includes(body.toString()) === false) found.push(body.toString());
      }
    }
  } finally {
    client.close();
  }
  return groups.map((found) => found.slice(0, each));
}

/** Sends until it is taken: one that is there twice tells no less. */
async function sendTo(client: RpcClient, topic: string, number: number): Promise<void> {
  const messageGroup = `group-${number}`;
  const messageId = `02${number.toString(16).padStart(32, "0")}`.toUpperCase();
  const request = encodeSend([{ topic, messageId, messageGroup, body: Buffer.from(messageGroup) }]);
  for (let attempt = 1; ; attempt += 1) {
    const { messages, end } = await client.unary("SendMessage", request, timeoutMs);
    const { code, message } = messages[0] === undefined ? noReply : decodeSendReply(messages[0]);
    if (code === okCode) return;
    if (attempt === attemptsMax)
      throw new Error(`a message of ${messageGroup} was refused: ${code} ${message} ${JSON.stringify(end)}`);
    await sleep(pauseMs);
  }
}
