import { defined } from "@saturnmq/kit";
import { penalty } from "./limits.ts";

type Entry = {
  readonly points: number;
  /** When they were counted, monotonic milliseconds. */
  readonly atMs: number;
};

/** Points above it change nothing. */
const pointsMax = penalty.free + Math.ceil(Math.log2(penalty.longestMs / penalty.firstMs)) + 1;

/**
 * Addresses whose connections were ended of late for what they cost. The bounds of a connection are of no use against a peer that comes back at once
 * with a fresh one, so its next ones wait, longer each time. Many clients may share an address behind a proxy: those that are connected lose
 * nothing, new ones some time.
 */
export class Offenders {
  /** The one that offended longest ago is first. */
  readonly #entries = new Map<string, Entry>();

  /** A connection from this address had to be ended. */
  blame(address: string, nowMs: number): void {
    const key = neighbourhood(address);
    const points = Math.min(pointsMax, this.#points(key, nowMs) + 1);
    this.#entries.delete(key);
    this.#entries.set(key, { points, atMs: nowMs });
    if (this.#entries.size > penalty.addressesMax)
      this.#entries.delete(defined(this.#entries.keys().next().value, "oldest"));
  }

  /** How long a new connection from this address has to wait, milliseconds; mostly 0. */
  waitMs(address: string, nowMs: number): number {
    if (this.#entries.size === 0) return 0;
    const beyond = this.#points(neighbourhood(address), nowMs) - penalty.free;
    return beyond <= 0 ? 0 : Math.min(penalty.longestMs, penalty.firstMs * 2 ** (beyond - 1));
  }

  #points(key: string, nowMs: number): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.points - (nowMs - entry.atMs) / penalty.forgiveMs);
  }
}

/** What one peer can choose its addresses from: an IPv4 address, or the first 64 bits of an IPv6 one (RFC 4291, section 2.5.4). */
export function neighbourhood(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array.from({ length: zeros }, () => "0"), ...right].slice(0, 4).join(":");
}
