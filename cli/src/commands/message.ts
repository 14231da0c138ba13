import type { AdminMethods } from "@saturnmq/wire";
import { AdminClient } from "../client/admin-client.ts";
import { type Io, print } from "../io.ts";
import { bodyFields, originalBody } from "../message-body.ts";
import { facts, type GlobalOptions, printResult, time } from "../output.ts";

export type PeekOptions = GlobalOptions & { readonly queue: number; readonly offset: number };

type Peeked = AdminMethods["PeekMessage"]["reply"];

export async function messagePeek(io: Io, topic: string, { queue, offset, ...options }: PeekOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const message = await admin.call("PeekMessage", { topic, queue, offset });
  const body = originalBody(message.body, message.bodyEncoding === "GZIP");
  if (options.output === "json") {
    await print(io.stdout, `${JSON.stringify({ ...message, body: undefined, ...bodyFields(body) }, null, 2)}\n`);
    return;
  }
  await print(io.stdout, `${messageFacts(message, body.length)}\n\n`);
  await print(io.stdout, body);
  await print(io.stdout, "\n");
}

export type SkipOptions = PeekOptions & { readonly group: string; readonly yes?: boolean };

export async function messageSkip(io: Io, topic: string, options: SkipOptions): Promise<void> {
  const { queue, offset, group, endpoint, output, yes: confirmed = false } = options;
  using admin = await AdminClient.open(endpoint);
  const skipped = await admin.call("SkipMessage", { topic, group, queue, offset, confirmed });
  await printResult(io, output, skipped, () => {
    const place = `offset ${offset} of queue ${queue} of topic ${topic}`;
    if (skipped.finishedBefore) return `group ${group} had finished ${place} already: nothing was done`;
    const state = skipped.damage === undefined ? "it can be read" : `it cannot be read: ${skipped.damage}`;
    return `skipped ${place}: group ${group} will not get it (${state})`;
  });
}

function messageFacts(message: Peeked, bodyBytes: number): string {
  const { topic, queue, offset, messageId, tag, keys, properties, storedAtMs, bornAtMs, bornHost } = message;
  return facts([
    ["Topic", topic],
    ["Queue", queue],
    ["Offset", offset],
    ["Message id", messageId],
    ["Tag", tag ?? "-"],
    ["Keys", keys.length === 0 ? "-" : keys.join(" ")],
    ...Object.entries(properties).map(([name, value]) => [`Property ${name}`, value] as const),
    ["Born", `${bornAtMs === undefined ? "-" : time(bornAtMs)}${bornHost === "" ? "" : ` on ${bornHost}`}`],
    ["Stored", time(storedAtMs)],
    ["Body", `${bodyBytes} bytes`],
  ]);
}
