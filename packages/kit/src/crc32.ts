import { crc32 as zlibCrc32 } from "node:zlib";

/** Reflected polynomial of CRC-32 (IEEE 802.3). */
const polynomial = 0xed_b8_83_20;
/** From here on the native call is faster than the tables, its fixed price included (measured: 256 bytes). */
const nativeFrom = 256;

/** Slicing-by-8: table k holds the effect of a byte that is k bytes before the end of an 8-byte step. */
const tables = makeTables();

/**
 * CRC-32 (IEEE, as zlib and java.util.zip compute it) of `bytes[start, start + length)`, 0 to 2^32 - 1.
 *
 * Chainable: `crc32(b, …, crc32(a, …))` is the CRC of a followed by b.
 *
 * @param seed the CRC of what comes before; 0 at the beginning
 */
export function crc32(bytes: Uint8Array, start: number, length: number, seed = 0): number {
  if (length >= nativeFrom) return zlibCrc32(new Uint8Array(bytes.buffer, bytes.byteOffset + start, length), seed);
  const end = start + length;
  const wide = end - 7;
  let crc = ~seed;
  let at = start;
  for (; at < wide; at += 8) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    crc =
      (tables[1792 + (crc & 255)] as number) ^
      (tables[1536 + ((crc >>> 8) & 255)] as number) ^
      (tables[1280 + ((crc >>> 16) & 255)] as number) ^
      (tables[1024 + (crc >>> 24)] as number) ^
      (tables[768 + (bytes[at + 4] as number)] as number) ^
      (tables[512 + (bytes[at + 5] as number)] as number) ^
      (tables[256 + (bytes[at + 6] as number)] as number) ^
      (tables[bytes[at + 7] as number] as number);
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[at] as number)) & 255] as number);
  return ~crc >>> 0;
}

function makeTables(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at += 1) {
    const previous = table[at - 256] as number;
    table[at] = (previous >>> 8) ^ (table[previous & 255] as number);
  }
  return table;
}
