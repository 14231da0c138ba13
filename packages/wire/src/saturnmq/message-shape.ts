import { defined, SaturnError } from "@saturnmq/kit";
import type protobuf from "protobufjs";

/** One shape on both sides: camelCase names, 64-bit integers as numbers (all are below 2^53), absent optionals absent. */
export const messageShape = { longs: Number, enums: String, defaults: true, arrays: true, objects: true } as const;

/** A message's plain object of `bytes`. @throws {SaturnError} `BAD_REQUEST` for bytes that are no such message */
export function decodeMessage(type: protobuf.Type, bytes: Uint8Array): Record<string, unknown> {
  // protobufjs reads a `Buffer` by a faster way, which takes a text that is cut off for a whole one.
  const strictly = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    return type.toObject(type.decode(strictly), messageShape);
  } catch (error) {
    throw new SaturnError("BAD_REQUEST", `the bytes are no ${type.name}`, { cause: error });
  }
}

export function encodeMessage(type: protobuf.Type, message: object): Uint8Array {
  return type.encode(type.fromObject(message)).finish();
}

/** The resolved message type of a method. */
export function typeOf(type: protobuf.Type | null, method: string): protobuf.Type {
  return defined(type, `the message type of ${method}`);
}
