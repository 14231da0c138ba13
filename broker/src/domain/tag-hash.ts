/**
 * Hash of the tag `bytes[start, start + length)` for the queue index (FNV-1a over its UTF-8 bytes), 0 to 2^32 - 1; 0 is kept for "no tag". A match is a hint only: the
 * exact tag is compared when the message is read.
 */
export function tagHash(bytes: Uint8Array, start = 0, length = bytes.length): number {
  if (length === 0) return 0;
  let hash = 0x811c9dc5;
  for (let at = start; at < start + length; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0 || 1;
}
