/** From here on a varint is written in two halves, so that both are small integers, which divide fast. */
const lowHalf = 0x1000_0000;

/** Bytes of a varint that holds `value`, an integer of 0 to 2^53 - 1. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < lowHalf ? 4 : 4 + varintBytes(Math.floor(value / lowHalf));
}

/** Writes `value`, an integer of 0 to 2^53 - 1; answers the end. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  if (value >= lowHalf) {
    const high = Math.floor(value / lowHalf);
    const low = value - high * lowHalf;
    target[at] = (low & 0x7f) | 0x80;
    target[at + 1] = (low >>> 7) | 0x80;
    target[at + 2] = (low >>> 14) | 0x80;
    target[at + 3] = (low >>> 21) | 0x80;
    rest = high;
    next = at + 4;
  }
  while (rest > 0x7f) {
    target[next] = (rest & 0x7f) | 0x80;
    next += 1;
    rest >>>= 7;
  }
  target[next] = rest;
  return next + 1;
}
