import { crc32 } from "@saturnmq/kit/node";
import type { GroupId } from "raft-ts";
import { alignUp, getU64, setU64, viewOf } from "./bytes.ts";
import {
  entryHeadBytes,
  entryKind,
  frameHeadBytes,
  frameKind,
  groupFlag,
  readEntryHead,
  sealFrameHead,
  setEntryHead,
} from "./frame.ts";

/**
 * What a new segment's first frame says of a group, so that older segments may be freed: the entry's index and term are the group's last,
 * its payload `u64` hard term, vote, log start, term before the log start, checkpoint index, checkpoint term.
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
};

const payloadBytes = 48;

/** Bytes of one copy, padded. */
export function stateFrameBytes(groups: number): number {
  return alignUp(frameHeadBytes + groups * (4 + entryHeadBytes + payloadBytes));
}

/** Both copies of a state frame, each in blocks of its own. */
export function encodeStateFrame(
  states: readonly GroupState[],
  salt: number,
  place: { segment: number; sequence: number; epoch: number; durable: number; wallMs: number },
): Uint8Array {
  const size = stateFrameBytes(states.length);
  const bytes = new Uint8Array(2 * size);
  const view = viewOf(bytes);
  const entriesStart = frameHeadBytes + 4 * states.length;
  states.forEach((state, row) => {
    view.setUint16(frameHeadBytes + 4 * row, state.group, true);
    view.setUint16(frameHeadBytes + 4 * row + 2, groupFlag.hardState | groupFlag.state, true);
    setState(bytes, view, entriesStart + row * (entryHeadBytes + payloadBytes), state);
  });
  bytes.copyWithin(size, 0, size);
  const length = entriesStart + states.length * (entryHeadBytes + payloadBytes);
  for (const copy of [0, 1])
    sealFrameHead(bytes, view, copy * size, salt, {
      ...place,
      kind: frameKind.state,
      copy,
      length,
      groupCount: states.length,
      entriesStart,
      entryCount: states.length,
    });
  return bytes;
}

/** The state in the entry at `place`, whose frame has been checked. */
export function readState(view: DataView, place: number): GroupState {
  const { group, index, term } = readEntryHead(view, place);
  const from = place + entryHeadBytes;
  return {
    group,
    lastIndex: index,
    lastTerm: term,
    hardTerm: getU64(view, from),
    vote: getU64(view, from + 8),
    logStart: getU64(view, from + 16),
    startTerm: getU64(view, from + 24),
    checkpointIndex: getU64(view, from + 32),
    checkpointTerm: getU64(view, from + 40),
  };
}

function setState(bytes: Uint8Array, view: DataView, place: number, state: GroupState): void {
  const from = place + entryHeadBytes;
  setU64(view, from, state.hardTerm);
  setU64(view, from + 8, state.vote);
  setU64(view, from + 16, state.logStart);
  setU64(view, from + 24, state.startTerm);
  setU64(view, from + 32, state.checkpointIndex);
  setU64(view, from + 40, state.checkpointTerm);
  const crc = crc32(bytes, from, payloadBytes);
  setEntryHead(view, place, entryKind.state, state.group, state.lastIndex, state.lastTerm, payloadBytes, crc);
}
