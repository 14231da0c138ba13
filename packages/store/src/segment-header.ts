import { crc32 } from "@saturnmq/kit/node";
import type { GroupId } from "raft-ts";
import { blockBytes, getU64, setU64, viewOf } from "./bytes.ts";
import { CorruptionError } from "./ports.ts";

/**
 * First block of a segment file. Little-endian.
 *
 * ```
 *  0 u32 magic "SQSG"   4 u16 version   6 u16 kind (1 log, 2 bulk)   8 u32 CRC-32 of the block without this field
 * 12 u32 salt          16 u64 segment  24 u64 size of the file
 * 32 u32 replica id    36 u32 group, of a bulk segment        40 u64 incarnation that wrote it   48 u64 wallMs
 * 56 u16 length of the cluster id      58 … cluster id, UTF-8
 * ```
 */
export type SegmentHeader = {
  readonly kind: "log" | "bulk";
  /** Whose entries a bulk segment holds; 0 of a log segment, which all share. */
  readonly group: GroupId;
  readonly segment: number;
  readonly salt: number;
  readonly size: number;
  readonly clusterId: string;
  readonly replicaId: number;
  readonly incarnation: number;
  readonly wallMs: number;
};

const magic = 0x47_53_51_53;
const version = 1;
const kinds = ["", "log", "bulk"] as const;

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(blockBytes);
  const view = viewOf(bytes);
  const clusterId = new TextEncoder().encode(header.clusterId);
  view.setUint32(0, magic, true);
  view.setUint16(4, version, true);
  view.setUint16(6, kinds.indexOf(header.kind), true);
  view.setUint32(12, header.salt, true);
  setU64(view, 16, header.segment);
  setU64(view, 24, header.size);
  view.setUint32(32, header.replicaId, true);
  view.setUint32(36, header.group, true);
  setU64(view, 40, header.incarnation);
  setU64(view, 48, header.wallMs);
  view.setUint16(56, clusterId.length, true);
  bytes.set(clusterId, 58);
  view.setUint32(8, headerCrc(bytes), true);
  return bytes;
}

/** @throws {CorruptionError} unless the block is a segment's header */
export function decodeSegmentHeader(bytes: Uint8Array, path: string): SegmentHeader {
  const view = viewOf(bytes);
  if (bytes.length < blockBytes) throw new CorruptionError(path, bytes.length, "the segment header is cut short");
  if (view.getUint32(8, true) !== headerCrc(bytes) || view.getUint32(0, true) !== magic)
    throw new CorruptionError(path, 0, "the segment header does not match its CRC");
  const kind = kinds[view.getUint16(6, true)];
  if (view.getUint16(4, true) !== version || kind === undefined || kind === "")
    throw new CorruptionError(
      path,
      4,
      `the segment has version ${view.getUint16(4, true)} and kind ${view.getUint16(6, true)}; this program knows version ${version}, kinds 1 and 2`,
    );
  return {
    kind,
    group: view.getUint32(36, true),
    segment: getU64(view, 16),
    salt: view.getUint32(12, true),
    size: getU64(view, 24),
    clusterId: new TextDecoder().decode(bytes.subarray(58, 58 + view.getUint16(56, true))),
    replicaId: view.getUint32(32, true),
    incarnation: getU64(view, 40),
    wallMs: getU64(view, 48),
  };
}

function headerCrc(bytes: Uint8Array): number {
  return crc32(bytes, 12, blockBytes - 12, crc32(bytes, 0, 8));
}
