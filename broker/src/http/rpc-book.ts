/** Upper bounds of the latency buckets, milliseconds; one more for everything above. Long polls end in the last ones. */
export const latencyBoundsMs = [
  0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096, 16_384, 65_536,
] as const;

/** Counts of one kind of call. */
export type RpcRow = {
  readonly rpc: string;
  /** RocketMQ `Code` of the answer, or the gRPC status of our own API. */
  readonly code: number;
  readonly count: number;
  readonly sumMs: number;
  /** Calls a bucket of `latencyBoundsMs`, and above; not summed up. */
  readonly buckets: readonly number[];
};

type Cell = { count: number; sumMs: number; readonly buckets: number[] };

/** Counts calls by name and outcome. Cheap enough for every call: no label text is built. */
export class RpcBook {
  readonly #cells = new Map<string, Map<number, Cell>>();

  /** Books one finished call. */
  record(rpc: string, code: number, tookMs: number): void {
    const cell = this.#cell(rpc, code);
    cell.count += 1;
    cell.sumMs += tookMs;
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && tookMs > (latencyBoundsMs[bucket] ?? 0)) bucket += 1;
    cell.buckets[bucket] = (cell.buckets[bucket] ?? 0) + 1;
  }

  rows(): readonly RpcRow[] {
    return [...this.#cells].flatMap(([rpc, byCode]) =>
      [...byCode].map(([code, cell]) => ({
        rpc,
        code,
        count: cell.count,
        sumMs: cell.sumMs,
        buckets: [...cell.buckets],
      })),
    );
  }

  #cell(rpc: string, code: number): Cell {
    let byCode = this.#cells.get(rpc);
    if (byCode === undefined) this.#cells.set(rpc, (byCode = new Map<number, Cell>()));
    let cell = byCode.get(code);
    if (cell === undefined)
      byCode.set(code, (cell = { count: 0, sumMs: 0, buckets: Array<number>(latencyBoundsMs.length + 1).fill(0) }));
    return cell;
  }
}
