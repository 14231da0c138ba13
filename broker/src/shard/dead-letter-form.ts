import { storedBody, v2 } from "@saturnmq/wire";
import type { MessageBytes } from "../domain/record-codec.ts";

/**
 * A stored message as a dead letter: under its new topic, and with the place that it came from in its system properties, as RocketMQ servers
 * tell it (contract 2.8). Everything else is as it was sent. SystemProperties stay last.
 */
export function deadLetterForm(
  message: Uint8Array,
  bodyCrc: number,
  origin: { readonly topic: string; readonly deadLetterTopic: string },
): MessageBytes {
  const { topic, userProperties, systemProperties, body } = v2.Message.decode(message);
  const properties = v2.SystemProperties.encode({
    ...systemProperties,
    keys: systemProperties?.keys ?? [],
    messageId: systemProperties?.messageId ?? "",
    deadLetterQueue: { topic: origin.topic, messageId: systemProperties?.messageId ?? "" },
  });
  const name = { resourceNamespace: topic?.resourceNamespace ?? "", name: origin.deadLetterTopic };
  const head = v2.Message.encode({ topic: name, userProperties, body });
  const bytes = Buffer.concat([head, Buffer.of(systemPropertiesKey), varint(properties.length), properties]);
  const stored = storedBody(bytes);
  const bodyStart = stored.length === 0 ? 0 : stored.byteOffset - bytes.byteOffset;
  return { bytes, start: 0, length: bytes.length, bodyStart, bodyLength: stored.length, bodyCrc };
}

/** Field 3 of `Message`, length-delimited. */
const systemPropertiesKey = 26;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
