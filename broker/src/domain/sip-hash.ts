/**
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a 64-bit keyed MAC for short inputs, on 32-bit halves
 * (l0 and h0 are the paper's v0) because 64-bit integers cost an allocation each in this language. Two run for each delivered message, so
 * nothing but a carry is a function of its own, and that stays among integers: as a comparison of sums it takes nearly twice as long.
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
  let l0 = key.getInt32(0, true) ^ 0x70736575;
  let h0 = key.getInt32(4, true) ^ 0x736f6d65;
  let l1 = key.getInt32(8, true) ^ 0x6e646f6d;
  let h1 = key.getInt32(12, true) ^ 0x646f7261;
  let l2 = key.getInt32(0, true) ^ 0x6e657261;
  let h2 = key.getInt32(4, true) ^ 0x6c796765;
  let l3 = key.getInt32(8, true) ^ 0x79746573;
  let h3 = key.getInt32(12, true) ^ 0x74656462;
  const blocks = Math.floor(length / 8);
  // Whole blocks, the last one with the length in it, and the finalisation.
  for (let block = 0; block <= blocks + 1; block += 1) {
    const at = start + 8 * block;
    let wordLow = 0;
    let wordHigh = 0;
    if (block < blocks) {
      wordLow = input.getInt32(at, true);
      wordHigh = input.getInt32(at + 4, true);
    } else if (block === blocks) {
      wordLow = tail(input, at, Math.min(4, start + length - at));
      wordHigh = tail(input, at + 4, start + length - at - 4) | ((length & 255) << 24);
    } else {
      l2 ^= 0xff;
    }
    l3 ^= wordLow;
    h3 ^= wordHigh;
    const rounds = block > blocks ? 4 : 2;
    for (let round = 0; round < rounds; round += 1) {
      let low = (l0 + l1) | 0;
      h0 = (h0 + h1 + carry(l0, l1, low)) | 0;
      l0 = low;
      low = (l1 << 13) | (h1 >>> 19);
      h1 = (h1 << 13) | (l1 >>> 19);
      l1 = low;
      l1 ^= l0;
      h1 ^= h0;
      low = l0;
      l0 = h0;
      h0 = low;
      low = (l2 + l3) | 0;
      h2 = (h2 + h3 + carry(l2, l3, low)) | 0;
      l2 = low;
      low = (l3 << 16) | (h3 >>> 16);
      h3 = (h3 << 16) | (l3 >>> 16);
      l3 = low;
      l3 ^= l2;
      h3 ^= h2;
      low = (l0 + l3) | 0;
      h0 = (h0 + h3 + carry(l0, l3, low)) | 0;
      l0 = low;
      low = (l3 << 21) | (h3 >>> 11);
      h3 = (h3 << 21) | (l3 >>> 11);
      l3 = low;
      l3 ^= l0;
      h3 ^= h0;
      low = (l2 + l1) | 0;
      h2 = (h2 + h1 + carry(l2, l1, low)) | 0;
      l2 = low;
      low = (l1 << 17) | (h1 >>> 15);
      h1 = (h1 << 17) | (l1 >>> 15);
      l1 = low;
      l1 ^= l2;
      h1 ^= h2;
      low = l2;
      l2 = h2;
      h2 = low;
    }
    l0 ^= wordLow;
    h0 ^= wordHigh;
  }
  target.setInt32(targetStart, l0 ^ l1 ^ l2 ^ l3, true);
  target.setInt32(targetStart + 4, h0 ^ h1 ^ h2 ^ h3, true);
}

/** 1 if a + b, of which `sum` is the low half, went over 32 bits. */
function carry(a: number, b: number, sum: number): number {
  return ((a & b) | ((a | b) & ~sum)) >>> 31;
}

/** The last bytes of the input, little-endian. */
function tail(input: DataView, at: number, count: number): number {
  let word = 0;
  for (let byte = 0; byte < count; byte += 1) word |= input.getUint8(at + byte) << (8 * byte);
  return word;
}
