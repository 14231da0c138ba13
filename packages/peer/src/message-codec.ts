import { assert } from "@saturnmq/kit";
import {
  type Configuration,
  type ConfigurationAt,
  decodeConfiguration,
  encodeConfiguration,
  type GroupMessage,
  type Payload,
  type PeerMessage,
  type SnapshotHead,
} from "raft-ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { blob, bool, type Field, type FieldsOf, list, record, text, u16, u53 } from "./field.ts";
import { ProtocolError } from "./protocol-error.ts";

// What drivers say to each other, as the payload of a frame:
//
//   code u8 · version u8 · group u16, for a message of one group · fields in the order of the row
//   · for each entry of an append: length u32, CRC u32 · the payloads, back to back
//
// Everything before the payloads is "covered": the frame's check goes over it. Payloads bear their own CRC, which the log verifies.
// Numbers are little-endian; terms and indexes take eight bytes. To add a kind, add a row with a new code; to change one, add a row with
// a new version and keep the old while a peer may speak it. The compiler names a kind that has no row.

type Inner = GroupMessage["message"];
type InnerOf<Kind extends Inner["kind"]> = Inner & { readonly kind: Kind };
type AppendRequest = InnerOf<"appendRequest">;
/** What is said for all groups of a pair of processes. */
type Pair = Exclude<PeerMessage, GroupMessage>;
type PairOf<Kind extends Pair["kind"]> = Pair & { readonly kind: Kind };

/** The layout of a kind's fields. `code` is its name on the wire, for ever. */
type Row<T> = { readonly code: number; readonly version: number; readonly body: Field<T> };

/** A message with fields only, in this order. */
function plain<T extends { readonly kind: string }>(
  kind: T["kind"],
  code: number,
  fields: FieldsOf<Omit<T, "kind">>,
): Row<T> {
  const body = record<Omit<T, "kind">>(fields);
  return {
    code,
    version: 1,
    body: {
      bytes: body.bytes,
      write: (into, message) => body.write(into, message),
      read: (from) => ({ kind, ...body.read(from) }) as unknown as T,
    },
  };
}

/** In the form that the log stores. */
const configuration: Field<Configuration> = {
  bytes: blob.bytes,
  write: (into, value) => blob.write(into, encodeConfiguration(value)),
  read: (from) => {
    const bytes = blob.read(from);
    try {
      const value = decodeConfiguration(bytes);
      // One form for each: what is read encodes to the same bytes.
      if (Buffer.compare(encodeConfiguration(value), bytes) === 0) return value;
    } catch (cause) {
      throw new ProtocolError("a configuration cannot be read", { cause });
    }
    throw new ProtocolError("a configuration is not in its one form");
  },
};

const configurationAt = record<ConfigurationAt>({ index: u53, configuration });

const snapshotHead = record<SnapshotHead>({
  index: u53,
  term: u53,
  configuration: configurationAt,
  id: text,
  bytes: u53,
});

const appendHead = record<Omit<AppendRequest, "kind" | "entries">>({
  term: u53,
  prevIndex: u53,
  prevTerm: u53,
  commit: u53,
  uncounted: bool,
});

/** A term, and whether a configuration follows. */
const entryBytes = u53.bytes + bool.bytes;

/** Entries without their payloads: `index` follows from `prevIndex`. */
const appendRequest: Row<AppendRequest> = {
  code: 5,
  version: 1,
  body: {
    bytes: appendHead.bytes + 4,
    write: (into, message) => {
      appendHead.write(into, message);
      into.u32(message.entries.length);
      message.entries.forEach((entry, at) => {
        assert(entry.index === message.prevIndex + 1 + at, "an append's entries are not consecutive");
        into.u53(entry.term);
        bool.write(into, entry.configuration !== undefined);
        if (entry.configuration !== undefined) configuration.write(into, entry.configuration);
      });
    },
    read: (from) => {
      const head = appendHead.read(from);
      const entries = [];
      const count = from.count(entryBytes);
      if (!Number.isSafeInteger(head.prevIndex + count))
        throw new ProtocolError("an append ends beyond the last index");
      for (let at = 1; at <= count; at += 1) {
        const entry = { index: head.prevIndex + at, term: from.u53() };
        entries.push(from.bool() ? { ...entry, configuration: configuration.read(from) } : entry);
      }
      return { kind: "appendRequest", ...head, entries };
    },
  },
};

/** One row a kind of group message; codes below 128. */
const groupRows: { readonly [Kind in Inner["kind"]]: Row<InnerOf<Kind>> } = {
  preVoteRequest: plain("preVoteRequest", 1, { term: u53, electionTerm: u53, lastIndex: u53, lastTerm: u53 }),
  voteRequest: plain("voteRequest", 2, { term: u53, transfer: bool, lastIndex: u53, lastTerm: u53 }),
  preVoteReply: plain("preVoteReply", 3, { term: u53, electionTerm: u53, granted: bool }),
  voteReply: plain("voteReply", 4, { term: u53, electionTerm: u53, granted: bool }),
  appendRequest,
  appendAccepted: plain("appendAccepted", 6, { term: u53, matchIndex: u53, lost: bool }),
  appendRejected: plain("appendRejected", 7, { term: u53, prevIndex: u53, hintIndex: u53, hintTerm: u53, lost: bool }),
  timeoutNow: plain("timeoutNow", 8, { term: u53 }),
  snapshotOffer: plain("snapshotOffer", 9, { term: u53, snapshot: snapshotHead }),
};

/** One row a kind of message for all groups; codes from 128 on. */
const pairRows: { readonly [Kind in Pair["kind"]]: Row<PairOf<Kind>> } = {
  pairHeartbeat: plain("pairHeartbeat", 128, {
    sequence: u53,
    base: u53,
    version: u53,
    hash: u53,
    led: list(record({ group: u16, term: u53, commit: u53 })),
    ended: list(u16),
  }),
  pairHeartbeatReply: plain("pairHeartbeatReply", 129, {
    sequence: u53,
    lost: bool,
    refused: list(record({ group: u16, term: u53 })),
  }),
  snapshotPull: plain("snapshotPull", 130, { group: u16, id: text, offset: u53 }),
  snapshotChunk: plain("snapshotChunk", 131, { group: u16, id: text, offset: u53, bytes: blob }),
};

/** Whether a message is so large that it travels apart from those that keep leaders alive. */
export function isBulk(message: PeerMessage): boolean {
  return message.kind === "snapshotChunk";
}

const groupRowOf = byCode<Inner>(Object.values(groupRows));
const pairRowOf = byCode<Pair>(Object.values(pairRows));

function byCode<T>(rows: readonly Row<T>[]): ReadonlyMap<number, Row<T>> {
  const found = new Map(rows.map((row) => [row.code, row] as const));
  assert(found.size === rows.length, "two kinds of messages share a code");
  return found;
}

const noPayloads: readonly Payload[] = [];

/**
 * Writes the covered part of a message.
 *
 * @returns the payloads that follow it, back to back
 */
export function encodeMessage(message: PeerMessage, into: ByteWriter): readonly Payload[] {
  if (message.kind === "group") return encodeGroupMessage(message, into);
  const row = pairRows[message.kind] as unknown as Row<Pair>;
  into.u8(row.code);
  into.u8(row.version);
  row.body.write(into, message);
  return noPayloads;
}

/**
 * Reads a message. Payloads in it are views of the reader's source.
 *
 * @throws {ProtocolError} if it is not one, or of a version that is not known here
 */
export function decodeMessage(from: ByteReader): PeerMessage {
  const code = from.u8();
  const version = from.u8();
  const message = decodeBody(code, version, from);
  from.end();
  return message;
}

function decodeBody(code: number, version: number, from: ByteReader): PeerMessage {
  const pairRow = pairRowOf.get(code);
  if (pairRow?.version === version) return pairRow.body.read(from);
  const row = groupRowOf.get(code);
  if (row?.version !== version) throw new ProtocolError(`message code ${code} version ${version} is not known`);
  const group = from.u16();
  const message = row.body.read(from);
  const payloads = message.kind === "appendRequest" ? readPayloads(from, message.entries.length) : [];
  return { kind: "group", group, message, payloads };
}

function encodeGroupMessage({ group, message, payloads }: GroupMessage, into: ByteWriter): readonly Payload[] {
  const row = groupRows[message.kind] as unknown as Row<Inner>;
  into.u8(row.code);
  into.u8(row.version);
  into.u16(group);
  row.body.write(into, message);
  if (message.kind !== "appendRequest") return noPayloads;
  assert(payloads.length === message.entries.length, "an append has not one payload for each entry");
  for (const payload of payloads) {
    into.u32(payload === undefined ? absent : payload.length);
    into.u32(payload?.crc ?? 0);
  }
  return payloads.some((payload) => payload === undefined)
    ? payloads.filter((payload) => payload !== undefined)
    : (payloads as readonly Payload[]);
}

/** The length of a payload that is not there. */
const absent = 0xff_ff_ff_ff;
/** Bytes that say of each payload how long it is, and its CRC. */
const payloadHeadBytes = 8;

function readPayloads(from: ByteReader, count: number): readonly (Payload | undefined)[] {
  if (count * payloadHeadBytes > from.left) throw new ProtocolError(`${count} payloads do not fit`);
  const heads: { readonly length: number; readonly crc: number }[] = [];
  for (let at = 0; at < count; at += 1) heads.push({ length: from.u32(), crc: from.u32() });
  return heads.map(({ length, crc }) => {
    if (length === absent) {
      if (crc !== 0) throw new ProtocolError("a payload that is not there has a CRC");
      return undefined;
    }
    const start = from.at;
    from.skip(length);
    return { bytes: from.source, start, length, crc };
  });
}
