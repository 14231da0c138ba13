/**
 * Hash of a tag for the queue index (FNV-1a over its UTF-8 bytes), 0 to 2^32 - 1; 0 is kept for "no tag". A match is a hint only: the
 * exact tag is compared when the message is read.
 */
export function tagHash(tag: Uint8Array): number {
  if (tag.length === 0) return 0;
  let hash = 0x811c9dc5;
  for (const byte of tag) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0 || 1;
}
