import type { Delivery, OutgoingMessage } from "@saturnmq/broker/testing";
import { crc32 } from "@saturnmq/kit/node";
import { layOutMessage, normalizeMessage, SendMessageScanner, StoredLayout, storedBody, v2 } from "@saturnmq/wire";
import type { Content, MessageName } from "../../support/check/history.ts";
import { contentOf, SeededBodies } from "../../support/load/seeded-bodies.ts";

const bodyBytesMax = 160;

/** Messages as they come out of the door for sends, and what their bodies say. */
export class SimulatedMessages {
  readonly #bodies: SeededBodies;
  readonly #scanner = new SendMessageScanner();

  constructor(run: number) {
    this.#bodies = new SeededBodies(run, bodyBytesMax);
  }

  outgoing({ producer, sequence }: MessageName, topic: string, messageGroup: string | undefined): OutgoingMessage {
    const body = this.#bodies.make(producer, sequence);
    const messageId = `${producer}-${sequence}`;
    const about = { messageId, keys: [], ...(messageGroup !== undefined && { messageGroup }) };
    const message = { topic: { resourceNamespace: "", name: topic }, body, systemProperties: about };
    const request = v2.SendMessageRequest.encode({ messages: [message] });
    const layout = new StoredLayout();
    const scanner = this.#scanner;
    scanner.open(request, 0, request.length);
    scanner.next();
    layOutMessage(scanner, layout);
    const { length, bodyStart, bodyLength } = layout;
    const bytes = Buffer.alloc(length);
    normalizeMessage(scanner, layout, bytes, 0);
    scanner.close();
    const bodyCrc = crc32(bytes, bodyStart, bodyLength);
    return { bytes, start: 0, length, bodyStart, bodyLength, bodyCrc, tag: undefined, messageId, messageGroup };
  }

  contentOf({ message, bodyCrc }: Pick<Delivery, "message" | "bodyCrc">): Content {
    const body = Buffer.from(storedBody(message));
    return contentOf(body, crc32(body, 0, body.length) === bodyCrc, this.#bodies);
  }
}
