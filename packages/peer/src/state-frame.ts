import { crc32 } from "@saturnmq/kit/node";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { ProtocolError } from "./protocol-error.ts";

// The payload of a `state` frame: flags u8 (1 first piece of a whole table, 2 last piece of one) · version u53 · count u32
//   · for each entry: key text · set u8 · length u32 and value, if set
// The payload of a bulk connection's probe: version u53 · hash u32. The version counts the state frames sent before.

const flags = { first: 1, last: 2 } as const;
/** Fewest bytes of an entry: an empty key that is removed. */
const entryBytesMin = 3;

export type StateEntry = readonly [key: string, value: Uint8Array | undefined];

/** A piece of soft state: changes, or a part of the whole table. */
export type StateFrame = {
  readonly first: boolean;
  readonly last: boolean;
  readonly version: number;
  readonly entries: readonly StateEntry[];
};

/** A piece that came: each entry is read when it is asked for, once. */
export type IncomingState = Omit<StateFrame, "entries"> & { readonly entries: Iterable<StateEntry> };

/** What a receiver's table is when it has all that was sent. */
export type StateDigest = { readonly version: number; readonly hash: number };

export function encodeState({ first, last, version, entries }: StateFrame): Uint8Array {
  const into = new ByteWriter();
  into.u8((first ? flags.first : 0) + (last ? flags.last : 0));
  into.u53(version);
  into.u32(entries.length);
  for (const [key, value] of entries) {
    into.text(key);
    into.u8(value === undefined ? 0 : 1);
    if (value === undefined) continue;
    into.u32(value.length);
    into.bytes(value);
  }
  return into.written();
}

/**
 * Reads a piece's head. Reading the entries may throw as well, so that no list is made of what is too much anyway.
 *
 * @throws {ProtocolError}
 */
export function decodeState(payload: Uint8Array): IncomingState {
  const from = new ByteReader(payload);
  const flag = from.u8();
  if (flag > (flags.first | flags.last)) throw new ProtocolError(`a state's flags are ${flag}`);
  const version = from.u53();
  const entries = readEntries(from, from.count(entryBytesMin));
  return { first: (flag & flags.first) !== 0, last: (flag & flags.last) !== 0, version, entries };
}

function* readEntries(from: ByteReader, count: number): Iterable<StateEntry> {
  for (let left = count; left > 0; left -= 1) {
    const key = from.text();
    yield [key, from.bool() ? new Uint8Array(from.bytes(from.u32())) : undefined];
  }
  from.end();
}

export function encodeDigest({ version, hash }: StateDigest): Uint8Array {
  const into = new ByteWriter(16);
  into.u53(version);
  into.u32(hash);
  return into.written();
}

/** @throws {ProtocolError} */
export function decodeDigest(payload: Uint8Array): StateDigest {
  const from = new ByteReader(payload);
  const digest = { version: from.u53(), hash: from.u32() };
  from.end();
  return digest;
}

/** An entry's share of a table's hash, which is the sum of them: so one entry's change costs no pass over the others. */
export function entryHash(key: string, value: Uint8Array): number {
  const keyBytes = Buffer.from(key);
  return crc32(value, 0, value.length, crc32(keyBytes, 0, keyBytes.length));
}

/** What keeping an entry costs beside its key and value. Bytes, roughly. */
const entryCost = 128;

/** What an entry counts towards bounds. Bytes. */
export function entryBytes(key: string, value: Uint8Array): number {
  return Buffer.byteLength(key) + value.length + entryCost;
}
