const prime = 0x100000001b3n;
const offsetBasis = 0xcbf29ce484222325n;
const mask = 0xffffffffffffffffn;

/**
 * What a pod is made from, as 16 hexadecimal digits: equal for equal values, whatever the order of their keys. FNV-1a of 64 bits, which is enough to
 * tell a few versions of one pod apart and not for anything that an adversary chooses.
 */
export function revisionOf(value: unknown): string {
  let hash = offsetBasis;
  for (const byte of new TextEncoder().encode(JSON.stringify(sorted(value))))
    hash = ((hash ^ BigInt(byte)) * prime) & mask;
  return hash.toString(16).padStart(16, "0");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
