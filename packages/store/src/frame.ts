import { crc32 } from "@saturnmq/kit/node";
import type { GroupId } from "raft-ts";
import { getU64, setU64 } from "./bytes.ts";
import { payloadFault } from "./record-check.ts";

/**
 * A frame: what one write puts into a segment, at a 4 KiB boundary. Little-endian.
 *
 * ```
 *  0 u32 magic         "SQF1"
 *  4 u16 version       2; 1 when it holds nothing that version 1 cannot say, so that the program before can still read it
 *  6 u8  kind          1 commit, 2 state, 3 seal, 4 bulk
 *  7 u8  copy          0; 1 for the second copy of a state frame
 *  8 u32 length        from the frame's start, without the padding to the next block
 * 12 u32 headerCheck   CRC-32 of bytes [0, 12) and [16, 80), seeded with the segment's salt
 * 16 u64 segment       sequence number of the segment it was written to
 * 24 u64 sequence      of the frame, dense over the whole log
 * 32 u64 epoch         incarnation of the process that wrote it
 * 40 u64 durable       highest frame sequence known durable when it was written
 * 48 u64 wallMs
 * 56 u32 groupCount
 * 60 u32 groupsCheck   CRC-32 of the shard list, seeded with the salt
 * 64 u32 entriesStart  from the frame's start
 * 68 u32 entryCount
 * 72 u32 entriesCheck  CRC-32 of all entry heads, seeded with the salt; they hold the CRCs of the payloads
 * 76 u32 0
 * 80     shard list: {u16 group, u16 flags} each
 * entriesStart: entries back to back, each
 *     0 u16 group   2 u8 kind   3 u8 0   4 u32 length   8 u64 index   16 u64 term   24 u32 crc   28 u32 0   32 … payload
 * ```
 *
 * The salt is drawn anew whenever a segment file is (re)used, so neither what an earlier use left behind nor a message body that imitates a
 * frame passes `headerCheck`.
 */
const frameMagic = 0x31_46_51_53;
export const frameVersion = { first: 1, configurations: 2 } as const;
export const frameHeadBytes = 80;
export const entryHeadBytes = 32;
export const frameKind = { commit: 1, state: 2, seal: 3, bulk: 4 } as const;
/** What a frame holds of a group. */
export const groupFlag = {
  entries: 1,
  hardState: 2,
  truncation: 4,
  logStart: 8,
  state: 16,
  firstConfiguration: 32,
  restart: 64,
  damage: 128,
} as const;
/**
 * `entry`: index, term, payload. `hardState`: index = vote, term. `truncation`: entries from index on are discarded.
 * `logStart`: index, term = of the entry before. `state`: see `state-frame.ts`.
 *
 * Since version 2: `configuration`: an entry whose payload is a configuration. `firstConfiguration`: index, payload. `restart`: see
 * `restart-fact.ts`. `damage`: entries from index on are lost, term = 1 fetch, 2 rejoin. `healed`: neither.
 */
export const entryKind = {
  entry: 1,
  hardState: 2,
  truncation: 3,
  logStart: 4,
  state: 5,
  configuration: 6,
  firstConfiguration: 7,
  restart: 8,
  damage: 9,
  healed: 10,
} as const;

/** The lowest version that knows an entry of that kind. */
export function versionOfKind(kind: number): number {
  return kind >= entryKind.configuration ? frameVersion.configurations : frameVersion.first;
}

/** True for what has an index in a group's log. */
export function isLogEntry(kind: number): boolean {
  return kind === entryKind.entry || kind === entryKind.configuration;
}

const at = {
  magic: 0,
  version: 4,
  kind: 6,
  copy: 7,
  length: 8,
  headerCheck: 12,
  segment: 16,
  sequence: 24,
  epoch: 32,
  durable: 40,
  wallMs: 48,
  groupCount: 56,
  groupsCheck: 60,
  entriesStart: 64,
  entryCount: 68,
  entriesCheck: 72,
} as const;

export type FrameHead = {
  readonly version: number;
  readonly kind: number;
  readonly copy: number;
  readonly length: number;
  readonly segment: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly durable: number;
  readonly wallMs: number;
  readonly groupCount: number;
  readonly entriesStart: number;
  readonly entryCount: number;
};

/** Fills in the head of the frame that starts at `start` and whose list and entries are in place. */
export function sealFrameHead(bytes: Uint8Array, view: DataView, start: number, salt: number, head: FrameHead): void {
  view.setUint32(start + at.magic, frameMagic, true);
  view.setUint16(start + at.version, head.version, true);
  view.setUint8(start + at.kind, head.kind);
  view.setUint8(start + at.copy, head.copy);
  view.setUint32(start + at.length, head.length, true);
  setU64(view, start + at.segment, head.segment);
  setU64(view, start + at.sequence, head.sequence);
  setU64(view, start + at.epoch, head.epoch);
  setU64(view, start + at.durable, head.durable);
  setU64(view, start + at.wallMs, head.wallMs);
  view.setUint32(start + at.groupCount, head.groupCount, true);
  view.setUint32(start + at.groupsCheck, crc32(bytes, start + frameHeadBytes, 4 * head.groupCount, salt), true);
  view.setUint32(start + at.entriesStart, head.entriesStart, true);
  view.setUint32(start + at.entryCount, head.entryCount, true);
  view.setUint32(start + at.entriesCheck, entriesCheck(bytes, view, start, salt, head), true);
  view.setUint32(start + 76, 0, true);
  view.setUint32(start + at.headerCheck, headerCheck(bytes, start, salt), true);
}

/** Writes an entry's head. */
export function setEntryHead(
  view: DataView,
  start: number,
  kind: number,
  group: GroupId,
  index: number,
  term: number,
  length: number,
  crc: number,
): void {
  view.setUint16(start, group, true);
  view.setUint8(start + 2, kind);
  view.setUint8(start + 3, 0);
  view.setUint32(start + 4, length, true);
  setU64(view, start + 8, index);
  setU64(view, start + 16, term);
  view.setUint32(start + 24, crc, true);
  view.setUint32(start + 28, 0, true);
}

/** The head of the frame at `start`, or `undefined` when no frame of this segment and salt has its head there. */
export function readFrameHead(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  segment: number,
  salt: number,
): FrameHead | undefined {
  if (start + frameHeadBytes > bytes.length || view.getUint32(start, true) !== frameMagic) return undefined;
  if (view.getUint32(start + at.headerCheck, true) !== headerCheck(bytes, start, salt)) return undefined;
  if (getU64(view, start + at.segment) !== segment) return undefined;
  const version = view.getUint16(start + at.version, true);
  if (version < frameVersion.first || version > frameVersion.configurations)
    throw new RangeError(
      `a frame has version ${version}; this program knows ${frameVersion.first} and ${frameVersion.configurations}: start the newer one`,
    );
  return {
    version,
    kind: view.getUint8(start + at.kind),
    copy: view.getUint8(start + at.copy),
    length: view.getUint32(start + at.length, true),
    segment,
    sequence: getU64(view, start + at.sequence),
    epoch: getU64(view, start + at.epoch),
    durable: getU64(view, start + at.durable),
    wallMs: getU64(view, start + at.wallMs),
    groupCount: view.getUint32(start + at.groupCount, true),
    entriesStart: view.getUint32(start + at.entriesStart, true),
    entryCount: view.getUint32(start + at.entryCount, true),
  };
}

/** The shard list as flags by group; `undefined` when the list does not match its own check. */
export function readGroupList(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  salt: number,
  head: FrameHead,
): ReadonlyMap<GroupId, number> | undefined {
  const from = start + frameHeadBytes;
  if (from + 4 * head.groupCount > bytes.length) return undefined;
  const check = crc32(bytes, from, 4 * head.groupCount, salt);
  if (check !== view.getUint32(start + at.groupsCheck, true)) return undefined;
  const flags = new Map<GroupId, number>();
  for (let place = from; place < from + 4 * head.groupCount; place += 4)
    flags.set(view.getUint16(place, true), view.getUint16(place + 2, true));
  return flags;
}

export type FrameFault = { readonly at: number; readonly detail: string };

/** Checks a whole frame in memory whose head is good: list, entry heads, payloads, on demand bodies. */
export function frameFault(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  salt: number,
  head: FrameHead,
  withBodies: boolean,
): FrameFault | undefined {
  if (start + head.length > bytes.length) return { at: start, detail: "the frame is cut short" };
  if (readGroupList(bytes, view, start, salt, head) === undefined)
    return { at: start + frameHeadBytes, detail: "the shard list does not match its check" };
  if (entriesCheck(bytes, view, start, salt, head) !== view.getUint32(start + at.entriesCheck, true))
    return { at: start + head.entriesStart, detail: "the entry heads do not match their check" };
  let fault: FrameFault | undefined;
  walkEntries(view, start, head, (place) => {
    fault ??= entryFault(bytes, view, place, withBodies);
  });
  return fault;
}

/** Visits the entries' heads by place. The frame's checks have been made. */
export function walkEntries(view: DataView, start: number, head: FrameHead, visit: (place: number) => void): void {
  let place = start + head.entriesStart;
  for (let count = 0; count < head.entryCount; count += 1) {
    visit(place);
    place += entryHeadBytes + view.getUint32(place + 4, true);
  }
}

export type EntryHead = {
  readonly group: GroupId;
  readonly kind: number;
  readonly length: number;
  readonly index: number;
  readonly term: number;
  readonly crc: number;
};

export function readEntryHead(view: DataView, place: number): EntryHead {
  return {
    group: view.getUint16(place, true),
    kind: view.getUint8(place + 2),
    length: view.getUint32(place + 4, true),
    index: getU64(view, place + 8),
    term: getU64(view, place + 16),
    crc: view.getUint32(place + 24, true),
  };
}

function entryFault(bytes: Uint8Array, view: DataView, place: number, withBodies: boolean): FrameFault | undefined {
  const { kind, length, crc } = readEntryHead(view, place);
  const from = place + entryHeadBytes;
  if (kind === entryKind.entry) return payloadFault(bytes, view, from, length, crc, withBodies);
  if (length === 0 || crc32(bytes, from, length) === crc) return undefined;
  return { at: from, detail: "an entry does not match its CRC" };
}

function headerCheck(bytes: Uint8Array, start: number, salt: number): number {
  return crc32(bytes, start + 16, frameHeadBytes - 16, crc32(bytes, start, 12, salt));
}

/** -1, which no check equals, when the entries do not fit into the frame. */
function entriesCheck(bytes: Uint8Array, view: DataView, start: number, salt: number, head: FrameHead): number {
  const end = Math.min(start + head.length, bytes.length);
  let place = start + head.entriesStart;
  let check = salt;
  for (let count = 0; count < head.entryCount; count += 1) {
    if (place + entryHeadBytes > end) return -1;
    check = crc32(bytes, place, entryHeadBytes, check);
    place += entryHeadBytes + view.getUint32(place + 4, true);
  }
  return place > end ? -1 : check;
}
