import { crc32 } from "@saturnmq/kit/node";
import type { Damage, GroupId } from "raft-ts";
import { alignUp, getU64, setU64, viewOf } from "./bytes.ts";
import { type KnownConfiguration, readConfiguration } from "./configurations.ts";
import {
  entryHeadBytes,
  entryKind,
  frameHeadBytes,
  frameKind,
  frameVersion,
  groupFlag,
  readEntryHead,
  sealFrameHead,
  setEntryHead,
} from "./frame.ts";

/**
 * What a new segment's first frame says of a group, so that older segments may be freed: the entry's index and term are the group's last,
 * its payload `u64` hard term, vote, log start, term before the log start, checkpoint index, checkpoint term; since version 2 also `u64`
 * floor, `u32` damage (0 no, 1 fetch, 2 rejoin), `u32` length of the configuration (0: none), `u64` its index, and the configuration.
 */
export type GroupState = {
  readonly group: GroupId;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly hardTerm: number;
  readonly vote: number;
  readonly logStart: number;
  /** Term of the entry before `logStart`. */
  readonly startTerm: number;
  /** Of the newest checkpoint; 0 when there is none. */
  readonly checkpointIndex: number;
  readonly checkpointTerm: number;
  /** Entries from here on are kept, also below `logStart` when the log was restarted from a checkpoint. */
  readonly floor: number;
  readonly damage: Damage;
  /** The newest. */
  readonly configuration: KnownConfiguration | undefined;
};

const firstPayloadBytes = 48;
const payloadBytes = 72;
/** By the number that stands for it on disk. */
export const damages: readonly Damage[] = ["no", "fetch", "rejoin"];

/** Bytes of one copy, padded. */
export function stateFrameBytes(states: readonly GroupState[]): number {
  const version = versionFor(states);
  return alignUp(
    states.reduce((sum, state) => sum + 4 + entryHeadBytes + payloadLength(state, version), frameHeadBytes),
  );
}

/** Both copies of a state frame, each in blocks of its own. */
export function encodeStateFrame(
  states: readonly GroupState[],
  salt: number,
  place: { segment: number; sequence: number; epoch: number; durable: number; wallMs: number },
): Uint8Array {
  const size = stateFrameBytes(states);
  const version = versionFor(states);
  const bytes = new Uint8Array(2 * size);
  const view = viewOf(bytes);
  const entriesStart = frameHeadBytes + 4 * states.length;
  let length = entriesStart;
  states.forEach((state, row) => {
    view.setUint16(frameHeadBytes + 4 * row, state.group, true);
    view.setUint16(frameHeadBytes + 4 * row + 2, groupFlag.hardState | groupFlag.state, true);
    length += setState(bytes, view, length, state, version);
  });
  bytes.copyWithin(size, 0, size);
  for (const copy of [0, 1])
    sealFrameHead(bytes, view, copy * size, salt, {
      ...place,
      version,
      kind: frameKind.state,
      copy,
      length,
      groupCount: states.length,
      entriesStart,
      entryCount: states.length,
    });
  return bytes;
}

/**
 * The state in the entry at `place`, whose frame has been checked.
 *
 * @throws {RangeError} if its configuration is of a version that this program does not know
 */
export function readState(bytes: Uint8Array, view: DataView, place: number): GroupState {
  const { group, index, term, length } = readEntryHead(view, place);
  const from = place + entryHeadBytes;
  const logStart = getU64(view, from + 16);
  const first = length === firstPayloadBytes;
  const configurationBytes = first ? 0 : view.getUint32(from + 60, true);
  const start = from + payloadBytes;
  return {
    group,
    lastIndex: index,
    lastTerm: term,
    hardTerm: getU64(view, from),
    vote: getU64(view, from + 8),
    logStart,
    startTerm: getU64(view, from + 24),
    checkpointIndex: getU64(view, from + 32),
    checkpointTerm: getU64(view, from + 40),
    floor: first ? logStart : getU64(view, from + 48),
    damage: (first ? undefined : damages[view.getUint32(from + 56, true)]) ?? "no",
    configuration:
      configurationBytes === 0
        ? undefined
        : readConfiguration(getU64(view, from + 64), bytes.subarray(start, start + configurationBytes)),
  };
}

/** The lowest that can say it. */
function versionFor(states: readonly GroupState[]): number {
  const old = states.every(
    ({ floor, logStart, damage, configuration }) =>
      floor === logStart && damage === "no" && configuration === undefined,
  );
  return old ? frameVersion.first : frameVersion.configurations;
}

function payloadLength({ configuration }: GroupState, version: number): number {
  return version === frameVersion.first ? firstPayloadBytes : payloadBytes + (configuration?.bytes.length ?? 0);
}

/** @returns the bytes that the entry takes */
function setState(bytes: Uint8Array, view: DataView, place: number, state: GroupState, version: number): number {
  const from = place + entryHeadBytes;
  const length = payloadLength(state, version);
  setU64(view, from, state.hardTerm);
  setU64(view, from + 8, state.vote);
  setU64(view, from + 16, state.logStart);
  setU64(view, from + 24, state.startTerm);
  setU64(view, from + 32, state.checkpointIndex);
  setU64(view, from + 40, state.checkpointTerm);
  if (version !== frameVersion.first) {
    const { configuration } = state;
    setU64(view, from + 48, state.floor);
    view.setUint32(from + 56, damages.indexOf(state.damage), true);
    view.setUint32(from + 60, configuration?.bytes.length ?? 0, true);
    setU64(view, from + 64, configuration?.index ?? 0);
    if (configuration !== undefined) bytes.set(configuration.bytes, from + payloadBytes);
  }
  const crc = crc32(bytes, from, length);
  setEntryHead(view, place, entryKind.state, state.group, state.lastIndex, state.lastTerm, length, crc);
  return entryHeadBytes + length;
}
