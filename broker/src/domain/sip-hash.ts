/**
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a 64-bit keyed MAC for short inputs, on 32-bit halves
 * because 64-bit integers cost an allocation each in this language.
 *
 * @param key at least 16 bytes, of which the first 16 are used
 * @param target where the 8 bytes of the MAC go, little-endian
 */
export function sipHash(
  key: DataView,
  input: DataView,
  start: number,
  length: number,
  target: DataView,
  targetStart: number,
): void {
  const state = begin(key);
  const whole = length - (length % 8);
  for (let at = start; at < start + whole; at += 8) {
    absorb(state, input.getUint32(at, true), input.getUint32(at + 4, true));
  }
  let low = 0;
  let high = (length & 255) << 24;
  for (let rest = 0; rest < length - whole; rest += 1) {
    const byte = input.getUint8(start + whole + rest);
    if (rest < 4) low |= byte << (8 * rest);
    else high |= byte << (8 * (rest - 4));
  }
  absorb(state, low, high);
  state[4] = (state[4] ?? 0) ^ 0xff;
  for (let round = 0; round < 4; round += 1) mix(state);
  const [l0 = 0, h0 = 0, l1 = 0, h1 = 0, l2 = 0, h2 = 0, l3 = 0, h3 = 0] = state;
  target.setInt32(targetStart, l0 ^ l1 ^ l2 ^ l3, true);
  target.setInt32(targetStart + 4, h0 ^ h1 ^ h2 ^ h3, true);
}

/** v0 to v3, low half before high half. Reused: a call runs to its end before the next begins. */
const words = new Int32Array(8);

function begin(key: DataView): Int32Array {
  const [low0, high0] = [key.getInt32(0, true), key.getInt32(4, true)];
  const [low1, high1] = [key.getInt32(8, true), key.getInt32(12, true)];
  words[0] = low0 ^ 0x70736575;
  words[1] = high0 ^ 0x736f6d65;
  words[2] = low1 ^ 0x6e646f6d;
  words[3] = high1 ^ 0x646f7261;
  words[4] = low0 ^ 0x6e657261;
  words[5] = high0 ^ 0x6c796765;
  words[6] = low1 ^ 0x79746573;
  words[7] = high1 ^ 0x74656462;
  return words;
}

function absorb(state: Int32Array, low: number, high: number): void {
  state[6] = (state[6] ?? 0) ^ low;
  state[7] = (state[7] ?? 0) ^ high;
  mix(state);
  mix(state);
  state[0] = (state[0] ?? 0) ^ low;
  state[1] = (state[1] ?? 0) ^ high;
}

/** One SipRound. */
function mix(v: Int32Array): void {
  add(v, 0, 2);
  rotate(v, 2, 13);
  blend(v, 2, 0);
  rotate(v, 0, 32);
  add(v, 4, 6);
  rotate(v, 6, 16);
  blend(v, 6, 4);
  add(v, 0, 6);
  rotate(v, 6, 21);
  blend(v, 6, 0);
  add(v, 4, 2);
  rotate(v, 2, 17);
  blend(v, 2, 4);
  rotate(v, 4, 32);
}

function add(v: Int32Array, to: number, from: number): void {
  const low = ((v[to] ?? 0) >>> 0) + ((v[from] ?? 0) >>> 0);
  v[to] = low;
  v[to + 1] = (v[to + 1] ?? 0) + (v[from + 1] ?? 0) + (low > 0xffff_ffff ? 1 : 0);
}

function blend(v: Int32Array, to: number, from: number): void {
  v[to] = (v[to] ?? 0) ^ (v[from] ?? 0);
  v[to + 1] = (v[to + 1] ?? 0) ^ (v[from + 1] ?? 0);
}

function rotate(v: Int32Array, at: number, bits: number): void {
  const [low, high] = bits === 32 ? [v[at + 1] ?? 0, v[at] ?? 0] : [v[at] ?? 0, v[at + 1] ?? 0];
  if (bits === 32) {
    v[at] = low;
    v[at + 1] = high;
    return;
  }
  v[at] = (low << bits) | (high >>> (32 - bits));
  v[at + 1] = (high << bits) | (low >>> (32 - bits));
}
