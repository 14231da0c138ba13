import { setTimeout as pause } from "node:timers/promises";
import { v2 } from "@saturnmq/wire";
import { MessagingClient } from "../client/messaging-client.ts";
import { CliError, exitCodes, isPassing } from "../exit-codes.ts";
import { type Io, print } from "../io.ts";
import { bodyFields, originalBody } from "../message-body.ts";
import type { GlobalOptions, Output } from "../output.ts";

const batchMax = 32;
const invisibleMs = 30_000;
const pollMs = 20_000;
const retryPauseMs = 500;
/** How long receives may fail one after another before the command gives up. */
const retryForMs = 30_000;

export type ConsumeOptions = GlobalOptions & {
  readonly group: string;
  readonly count?: number;
  readonly tag: string;
  /** Milliseconds without a message after which to end. */
  readonly timeout?: number;
};

/**
 * Prints messages and acknowledges each batch after it was printed, so that one that could not be printed comes again. Ends after `count`
 * messages, after `timeout` without one, or at Ctrl-C.
 */
export async function consume(io: Io, topic: string, options: ConsumeOptions): Promise<void> {
  using client = new MessagingClient(options.endpoint);
  await client.checkTopic(topic);
  const count = options.count ?? Number.POSITIVE_INFINITY;
  const received = await receiveAll(io, client, topic, options, count);
  if (received >= count) return;
  if (io.interrupted.aborted) {
    if (options.count === undefined) return;
    throw new CliError(exitCodes.interrupted, `interrupted after ${received} of ${count} messages`);
  }
  if (options.count === undefined) return;
  throw new CliError(exitCodes.failure, `only ${received} of ${count} messages came before the timeout`);
}

async function receiveAll(
  io: Io,
  client: MessagingClient,
  topic: string,
  options: ConsumeOptions,
  count: number,
): Promise<number> {
  const { group, tag, timeout = Number.POSITIVE_INFINITY, output } = options;
  let received = 0;
  let quietSinceMs = performance.now();
  while (received < count && !io.interrupted.aborted) {
    const leftMs = timeout - (performance.now() - quietSinceMs);
    if (leftMs <= 0) break;
    const messages = await receive(io, client, {
      ...{ topic, group, tags: tag, invisibleMs },
      batchSize: Math.min(batchMax, count - received),
      waitMs: Math.ceil(Math.min(pollMs, leftMs)),
    });
    if (messages.length === 0) continue;
    for (const message of messages) await printMessage(io, message, output);
    await acknowledge(io, client, topic, group, messages);
    received += messages.length;
    quietSinceMs = performance.now();
  }
  return received;
}

/** Receives once; while the broker refuses for the moment or is away, tries again for a while. Empty after Ctrl-C. */
async function receive(
  io: Io,
  client: MessagingClient,
  request: Parameters<MessagingClient["receive"]>[0],
): Promise<readonly v2.Message[]> {
  const giveUpAtMs = performance.now() + retryForMs;
  for (;;) {
    try {
      return await client.receive(request, io.interrupted);
    } catch (error) {
      if (io.interrupted.aborted) return [];
      if (!isPassing(error) || performance.now() > giveUpAtMs) throw error;
      await pause(retryPauseMs);
    }
  }
}

async function acknowledge(
  io: Io,
  client: MessagingClient,
  topic: string,
  group: string,
  messages: readonly v2.Message[],
): Promise<void> {
  const refusals = await client.ack(topic, group, messages);
  for (const [at, refusal] of refusals.entries()) {
    if (refusal === undefined) continue;
    const id = messages[at]?.systemProperties?.messageId ?? "";
    io.stderr.write(`saturnmq: message ${id} was printed but not acknowledged, so it comes again: ${refusal.text}\n`);
  }
}

async function printMessage(io: Io, message: v2.Message, output: Output): Promise<void> {
  const properties = message.systemProperties;
  const body = originalBody(message.body, properties?.bodyEncoding === v2.Encoding.GZIP);
  if (output === "json") await print(io.stdout, `${JSON.stringify(messageJson(message, body))}\n`);
  else await print(io.stdout, Buffer.concat([body, Buffer.from("\n")]));
}

function messageJson({ topic, userProperties, systemProperties }: v2.Message, body: Uint8Array): object {
  return {
    topic: topic?.name,
    queue: systemProperties?.queueId,
    offset: systemProperties?.queueOffset,
    messageId: systemProperties?.messageId,
    tag: systemProperties?.tag,
    keys: systemProperties?.keys ?? [],
    properties: Object.fromEntries(userProperties),
    attempt: systemProperties?.deliveryAttempt,
    bornAtMs: millisecondsOf(systemProperties?.bornTimestamp),
    storedAtMs: millisecondsOf(systemProperties?.storeTimestamp),
    ...bodyFields(body),
  };
}

function millisecondsOf(at: v2.Timestamp | undefined): number | undefined {
  return at === undefined ? undefined : at.seconds * 1_000 + Math.floor(at.nanos / 1_000_000);
}
