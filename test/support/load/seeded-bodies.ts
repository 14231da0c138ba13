import { crc32 } from "node:zlib";
import { SeededRandom } from "@saturnmq/kit";
import { type Content, type MessageName, nameOf } from "../check/history.ts";

/** Gives what was sent: bodies are made from their names, so that a single changed bit is seen. */
export interface BodyMaker {
  make(producer: number, sequence: number): Buffer;
  /** The name a body claims; `undefined` when it carries none. */
  nameOf(body: Buffer): MessageName | undefined;
}

/** What a body that somebody got is. `digestOk`: whether the message's own digest fits it. */
export function contentOf(body: Buffer, digestOk: boolean, bodies: BodyMaker): Content {
  if (!digestOk) return { kind: "corrupted", why: "does not fit its digest" };
  const name = bodies.nameOf(body);
  if (name === undefined) return { kind: "corrupted", why: "names no send" };
  if (bodies.make(name.producer, name.sequence).equals(body)) return { kind: "message", ...name };
  return { kind: "corrupted", why: `differs from ${nameOf(name)} as sent` };
}

const magic = 0x53_4d_51_31;
/** Magic, run, producer, sequence, length; the check of everything before it ends the body. */
const headBytes = 20;
const checkBytes = 4;

/**
 * Bodies that follow from (run, producer, sequence): 24 to `largestBytes` bytes, filled with a pattern drawn from them and closed by a CRC-32. The
 * run is a nonce, so that a message of an earlier run in the same data folder is a phantom.
 */
export class SeededBodies implements BodyMaker {
  readonly #run: number;
  readonly #largestBytes: number;

  constructor(run: number, largestBytes: number) {
    this.#run = run >>> 0;
    this.#largestBytes = largestBytes;
  }

  make(producer: number, sequence: number): Buffer {
    const random = new SeededRandom(
      this.#run ^ Math.imul(producer + 1, 0x9e37_79b1) ^ Math.imul(sequence + 1, 0x85eb_ca6b),
    );
    const smallest = headBytes + checkBytes;
    const body = Buffer.alloc(smallest + random.below(this.#largestBytes - smallest + 1));
    for (const [n, value] of [magic, this.#run, producer, sequence, body.length].entries())
      body.writeUInt32BE(value, 4 * n);
    const pattern = Buffer.alloc(32);
    for (let at = 0; at < pattern.length; at += 4) pattern.writeUInt32BE(random.below(2 ** 32), at);
    body.fill(pattern, headBytes, body.length - checkBytes);
    body.writeUInt32BE(crc32(body.subarray(0, -checkBytes)), body.length - checkBytes);
    return body;
  }

  nameOf(body: Buffer): MessageName | undefined {
    if (body.length < headBytes + checkBytes || body.readUInt32BE(0) !== magic) return undefined;
    if (body.readUInt32BE(4) !== this.#run || body.readUInt32BE(16) !== body.length) return undefined;
    if (crc32(body.subarray(0, -checkBytes)) !== body.readUInt32BE(body.length - checkBytes)) return undefined;
    return { producer: body.readUInt32BE(8), sequence: body.readUInt32BE(12) };
  }
}
