import { crc32 } from "@saturnmq/kit/node";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { PeerIdentity, PeerRole, RefusalReason } from "./ports.ts";
import { ProtocolError } from "./protocol-error.ts";

// The first thing that each side says on a connection. Its layout never changes: fields may be added behind the cluster id, and who does
// not know them skips them. The dialler says hello; the acceptor answers with a welcome or a refusal.
//
//   magic "SMQP" · length u16 (all of it) · kind u8 · channel u8 · lowest version u16 · highest version u16 · role u8 · reason u8
//   id u32 · target u32 · feature level u32 · incarnation u53 · boot u53 · session u53 · cluster id (u16 length, UTF-8)
//   … · CRC-32 of everything before u32

/** Versions of the protocol of frames and messages that this code speaks: this one and the one before. */
export const protocolVersions = { lowest: 1, highest: 1 } as const;

export const greetingBytesMax = 1_024;
const magic = Uint8Array.of(0x53, 0x4d, 0x51, 0x50);
const fixedBytes = 52;
const checkBytes = 4;

const kinds = { hello: 1, welcome: 2, refusal: 3 } as const;
const channels = { control: 1, bulk: 2 } as const;
const roles = { broker: 1, nameserver: 2 } as const satisfies Record<PeerRole, number>;
const reasons = {
  wrongCluster: 1,
  wrongRole: 2,
  wrongTarget: 3,
  ownId: 4,
  twin: 5,
  oldIncarnation: 6,
  unknownId: 7,
  forgotten: 8,
  version: 9,
  featureLevel: 10,
  linked: 11,
  crossing: 12,
} as const satisfies Record<RefusalReason, number>;

export type ChannelName = keyof typeof channels;

export type Greeting = {
  readonly kind: keyof typeof kinds;
  readonly channel: ChannelName;
  /** What the sender speaks; in a welcome both are the version that it chose. */
  readonly versions: { readonly lowest: number; readonly highest: number };
  readonly identity: PeerIdentity;
  /** Drawn at the start of the sender's process: tells apart two that share an id and an incarnation. */
  readonly boot: number;
  /** Drawn by the dialler for each link: joins its two connections. */
  readonly session: number;
  /** Whom the sender means. */
  readonly target: number;
  /** In a refusal only. */
  readonly reason: RefusalReason | undefined;
};

/** @throws {RangeError} if the cluster id is too long */
export function encodeGreeting(greeting: Greeting): Uint8Array {
  const { identity, versions, reason } = greeting;
  const into = new ByteWriter(128);
  into.bytes(magic);
  into.u16(0);
  into.u8(kinds[greeting.kind]);
  into.u8(channels[greeting.channel]);
  into.u16(versions.lowest);
  into.u16(versions.highest);
  into.u8(roles[identity.role]);
  into.u8(reason === undefined ? 0 : reasons[reason]);
  into.u32(identity.id);
  into.u32(greeting.target);
  into.u32(identity.featureLevel);
  into.u53(identity.incarnation);
  into.u53(greeting.boot);
  into.u53(greeting.session);
  into.text(identity.clusterId);
  const length = into.length + checkBytes;
  if (length > greetingBytesMax) throw new RangeError(`the cluster id is too long to be sent: ${identity.clusterId}`);
  new DataView(into.written().buffer).setUint16(4, length, true);
  into.u32(crc32(into.written(), 0, into.length));
  return into.written();
}

/**
 * Reads a greeting at the start of a connection, as far as it has come.
 *
 * @returns `undefined` while more bytes are needed; `length` are those it took
 * @throws {ProtocolError} at the first byte that no greeting has
 */
export function decodeGreeting(
  bytes: Uint8Array,
): { readonly greeting: Greeting; readonly length: number } | undefined {
  for (let at = 0; at < Math.min(magic.length, bytes.length); at += 1) {
    if (bytes[at] !== magic[at]) throw new ProtocolError("not a peer's greeting");
  }
  if (bytes.length < 6) return undefined;
  const length = new ByteReader(bytes.subarray(4, 6)).u16();
  if (length < fixedBytes + checkBytes || length > greetingBytesMax)
    throw new ProtocolError(`a greeting of ${length} bytes`);
  if (bytes.length < length) return undefined;
  const covered = length - checkBytes;
  if (new ByteReader(bytes.subarray(covered, length)).u32() !== crc32(bytes, 0, covered))
    throw new ProtocolError("the check of a greeting fails");
  return { greeting: readFields(new ByteReader(bytes.subarray(6, covered))), length };
}

function readFields(from: ByteReader): Greeting {
  const kind = named(kinds, from.u8(), "kind");
  const channel = named(channels, from.u8(), "channel");
  const versions = { lowest: from.u16(), highest: from.u16() };
  const role = named(roles, from.u8(), "role");
  const reasonCode = from.u8();
  const id = from.u32();
  const target = from.u32();
  const featureLevel = from.u32();
  const incarnation = from.u53();
  const boot = from.u53();
  const session = from.u53();
  const clusterId = from.text();
  const reason = kind === "refusal" ? reasonOf(reasonCode) : undefined;
  const identity: PeerIdentity = { clusterId, role, id, incarnation, featureLevel };
  return { kind, channel, versions, identity, boot, session, target, reason };
}

/** A reason of a later version counts as one of versions: whatever it is, this process is too old to know it. */
function reasonOf(code: number): RefusalReason {
  for (const reason of Object.keys(reasons) as RefusalReason[]) if (reasons[reason] === code) return reason;
  return "version";
}

function named<Name extends string>(names: Readonly<Record<Name, number>>, code: number, what: string): Name {
  for (const name of Object.keys(names) as Name[]) if (names[name] === code) return name;
  throw new ProtocolError(`a greeting's ${what} is ${code}`);
}
