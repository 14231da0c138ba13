import { InvalidArgumentError } from "commander";

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `500ms`, `30s`, `15m`, `12h`, `3d`. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  const scale = unitMs[unit ?? ""];
  if (digits === undefined || scale === undefined) {
    throw new InvalidArgumentError("Give a number with a unit: 500ms, 30s, 15m, 12h or 3d.");
  }
  return Number(digits) * scale;
}

/** A parser of whole numbers in [min, max]. */
export function parseWhole(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Give a whole number ${bounds}.`);
  };
}

/** Adds `key=value` to the properties given before. */
export function parseProperty(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const split = text.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("Give it as key=value.");
  return { ...earlier, [text.slice(0, split)]: text.slice(split + 1) };
}

/** Adds one more value of an option that may be repeated. */
export function collect(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}

/** A place that a group can be reset to. */
export type Place =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  | { readonly kind: "time"; readonly atMs: number };

/**
 * `earliest`, `latest`, a time with its zone like `2026-01-31T12:00:00Z`, or a span like `2h`: so long ago.
 *
 * @param nowMs wall clock, milliseconds
 */
export function parsePlace(text: string, nowMs: number): Place {
  if (text === "earliest" || text === "latest") return { kind: text };
  if (/^\d+(ms|s|m|h|d)$/.test(text)) return { kind: "time", atMs: Math.max(0, nowMs - parseDuration(text)) };
  const atMs = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (atMs >= 0) return { kind: "time", atMs };
  throw new InvalidArgumentError("Give earliest, latest, a time like 2026-01-31T12:00:00Z, or how long ago, like 2h.");
}

const defaultPort = 8_081;

/** `host:port` of `host`, `host:port`, `1.2.3.4:8081` or `[::1]:8081`. */
export function parseEndpoint(text: string): string {
  const [, host, port = String(defaultPort)] = /^(\[[0-9a-fA-F:.]+\]|[^:/\s[\]]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new InvalidArgumentError("Give it as host:port, for example 127.0.0.1:8081.");
  }
  return `${host}:${port}`;
}

/** Names separated by commas, each once. */
export function parseNames(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => /^[\w.-]+$/.test(name)) && new Set(names).size === names.length) return names;
  throw new InvalidArgumentError("Give different names of letters, digits, '-', '_' and '.', separated by commas.");
}
