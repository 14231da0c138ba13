/**
 * Whether `live` already has everything that `wanted` names. What the server adds (defaults, addresses) does not count; lists must be equal in length,
 * because a further port or mount is a difference.
 */
export function covers(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(live) && live.length === wanted.length && wanted.every((value, place) => covers(live[place], value))
    );
  }
  if (typeof wanted !== "object" || wanted === null) return live === wanted;
  if (typeof live !== "object" || live === null) return Object.keys(wanted).length === 0;
  return Object.entries(wanted).every(([key, value]) =>
    covers((live as Readonly<Record<string, unknown>>)[key], value),
  );
}
