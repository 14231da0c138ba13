import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import * as v2 from "../rocketmq/messages.ts";
import { rocketmqSchema } from "../rocketmq/schema.ts";
import { anyMessage, mutated, oracleEncode, oracleRewrite, type Plain } from "../testing/oracle.ts";
import { WireError } from "../wire-error.ts";
import type { MessageCodec } from "./message-codec.ts";

// Goal: our codec and protobufjs, which was written by others, mean the same by the same bytes; and broken bytes do no harm.
const names = Object.keys(rocketmqSchema);
const codecOf = (name: string): MessageCodec<Plain> => (v2 as unknown as Record<string, MessageCodec<Plain>>)[name]!;

describe("the codec and protobufjs agree", () => {
  test("the schema has every message of the contract", () => {
    expect(names.length).toBeGreaterThan(60);
  });

  test.each(names)("%s", (name) => {
    const codec = codecOf(name);
    fc.assert(
      fc.property(anyMessage(name), (value) => {
        const bytes = codec.encode(value);
        expect(codec.decode(bytes)).toEqual(value);
        expect(codec.decode(oracleRewrite(name, bytes))).toEqual(value);
        expect(codec.decode(oracleEncode(name, value))).toEqual(value);
      }),
      { seed: 20_260_801, numRuns: 25 },
    );
  });
});

describe("broken bytes", () => {
  test("random bytes are read or refused, for every type", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(fc.constantFrom(...names), bytes, (name, input) => {
        readOrRefuse(name, input);
      }),
      { seed: 20_260_802, numRuns: 20_000 },
    );
  });

  test.each([
    "SendMessageRequest",
    "TelemetryCommand",
    "QueryRouteResponse",
    "AckMessageRequest",
    "ReceiveMessageRequest",
  ])("%s with a few bytes changed is read or refused, and what was read can be written", (name) => {
    const codec = codecOf(name);
    const valid = anyMessage(name).map((value) => codec.encode(value));
    let refused = 0;
    let read = 0;
    fc.assert(
      fc.property(mutated(valid), (input) => {
        const value = readOrRefuse(name, input);
        if (value === undefined) refused += 1;
        else {
          read += 1;
          expect(codec.decode(codec.encode(value))).toEqual(value);
        }
      }),
      { seed: 20_260_803, numRuns: 1_000 },
    );
    expect(Math.min(refused, read)).toBeGreaterThan(20);
  });
});

function readOrRefuse(name: string, bytes: Uint8Array): Plain | undefined {
  try {
    return codecOf(name).decode(bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
