/**
 * Shard time on one replica: whole milliseconds that never go back. It continues from the last record's time by the replica's own
 * monotonic clock since that record arrived (design 7).
 */
export class ShardTime {
  #baseMs = 0;
  #baseMonoMs = 0;

  /** A record was applied. A leader's own records follow its clock, so only a later time moves it. */
  observe(timeMs: number, monoMs: number, leads: boolean): void {
    if (leads && timeMs <= this.now(monoMs)) return;
    this.#baseMs = Math.max(timeMs, this.#baseMs);
    this.#baseMonoMs = monoMs;
  }

  /** Shard time at a reading of the monotonic clock. */
  now(monoMs: number): number {
    return this.#baseMs + Math.max(0, Math.floor(monoMs - this.#baseMonoMs));
  }

  /** The reading of the monotonic clock at which it will be `timeMs`. */
  monoAt(timeMs: number): number {
    return this.#baseMonoMs + (timeMs - this.#baseMs);
  }
}
