import { crc32 as zlibCrc32 } from "node:zlib";
import { viewOver } from "./view-over.ts";

/** Reflected polynomial of CRC-32 (IEEE 802.3). */
const polynomial = 0xed_b8_83_20;
/** From here on the native call is faster than the tables, its fixed price included (measured: 256 bytes). */
const nativeFrom = 256;

/** Slicing-by-16: table k, of 256 entries, holds the effect of a byte that is k bytes before the end of a 16-byte step. */
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
  const view = viewOver(bytes);
  const end = start + length;
  let crc = ~seed;
  let at = start;
  for (; at + 16 <= end; at += 16)
    crc =
      wordEffect(crc ^ view.getInt32(at, true), 12) ^
      wordEffect(view.getInt32(at + 4, true), 8) ^
      wordEffect(view.getInt32(at + 8, true), 4) ^
      wordEffect(view.getInt32(at + 12, true), 0);
  for (; at + 4 <= end; at += 4) crc = wordEffect(crc ^ view.getInt32(at, true), 0);
  for (; at < end; at += 1) crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[at] as number)) & 255] as number);
  return ~crc >>> 0;
}

/** What four bytes, the first one lowest, do to the CRC with `behind` bytes of the step after them. */
function wordEffect(word: number, behind: number): number {
  const last = 256 * behind;
  return (
    (tables[last + 768 + (word & 255)] as number) ^
    (tables[last + 512 + ((word >>> 8) & 255)] as number) ^
    (tables[last + 256 + ((word >>> 16) & 255)] as number) ^
    (tables[last + (word >>> 24)] as number)
  );
}

function makeTables(): Int32Array {
  const table = new Int32Array(16 * 256);
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
