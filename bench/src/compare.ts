import type { Figures, Span } from "./measure.ts";
import { fixed, median, percent, table, whole } from "./tables.ts";

/** One load that both servers get. */
export type ComparePoint = { readonly inFlight: number; readonly bodyBytes: number };

/** One of two servers. `durability` says what its acknowledgement means. */
export type Side = {
  readonly name: string;
  readonly durability: string;
  measure(point: ComparePoint, span: Span): Promise<Figures>;
};

/** Both servers under the same load, one right after the other. */
export type Pair = { readonly a: Figures; readonly b: Figures };

export type ComparedPoint = ComparePoint & {
  readonly pairs: readonly Pair[];
  /** Pairs that do not count because the machine's host kept too much of a window for others. */
  readonly discarded: number;
};

export type Comparison = {
  readonly a: Pick<Side, "name" | "durability">;
  readonly b: Pick<Side, "name" | "durability">;
  readonly span: Span;
  readonly stealMax: number;
  readonly points: readonly ComparedPoint[];
};

export type CompareOptions = {
  /** Pairs that count, for each point. */
  readonly pairs: number;
  readonly span: Span;
  /** Share of the machine, 0 to 1, that its host may keep during a window that counts. */
  readonly stealMax: number;
};

/** Discarded pairs are made up for by at most this many more rounds, as a share of the pairs wanted. */
const extraRounds = 0.5;

/**
 * Measures every point in rounds, both sides of a pair one right after the other and in alternating order, so that a machine which changes
 * its speed changes it for both.
 */
export async function compare(
  a: Side,
  b: Side,
  points: readonly ComparePoint[],
  { pairs, span, stealMax }: CompareOptions,
  log: (line: string) => void,
): Promise<Comparison> {
  const compared = points.map((point) => ({ ...point, pairs: [] as Pair[], discarded: 0 }));
  const rounds = Math.ceil(pairs * (1 + extraRounds));
  for (let round = 0; round < rounds; round += 1) {
    const missing = compared.filter((point) => point.pairs.length < pairs);
    if (missing.length === 0) break;
    log(`${a.name} and ${b.name}: round ${round + 1}, ${missing.length} points`);
    for (const point of missing) {
      const pair = await measurePair(a, b, point, span, round % 2 === 0);
      if (Math.max(pair.a.stealShare, pair.b.stealShare) > stealMax) point.discarded += 1;
      else point.pairs.push(pair);
    }
  }
  const sideOf = ({ name, durability }: Side) => ({ name, durability });
  return { a: sideOf(a), b: sideOf(b), span, stealMax, points: compared };
}

async function measurePair(a: Side, b: Side, point: ComparePoint, span: Span, aFirst: boolean): Promise<Pair> {
  const first = await (aFirst ? a : b).measure(point, span);
  const second = await (aFirst ? b : a).measure(point, span);
  return aFirst ? { a: first, b: second } : { a: second, b: first };
}

/** The median of what `of` says of each pair. */
function medianOf(point: ComparedPoint, of: (pair: Pair) => number): number {
  return median(point.pairs.map(of));
}

/** The comparison as Markdown: medians, and the ratios' medians with their range. */
export function comparisonTable({ a, b, span, stealMax, points }: Comparison): string {
  const rows = points.map((point) => [
    String(point.inFlight),
    String(point.bodyBytes),
    whole(medianOf(point, (pair) => pair.a.messagesPerSecond)),
    whole(medianOf(point, (pair) => pair.b.messagesPerSecond)),
    ratio(point, (pair) => pair.a.messagesPerSecond / pair.b.messagesPerSecond),
    fixed(
      medianOf(point, (pair) => pair.a.serverCpuPerMillion),
      1,
    ),
    fixed(
      medianOf(point, (pair) => pair.b.serverCpuPerMillion),
      1,
    ),
    ratio(point, (pair) => pair.b.serverCpuPerMillion / pair.a.serverCpuPerMillion),
    quantiles(point, (pair) => pair.a),
    quantiles(point, (pair) => pair.b),
    `${point.pairs.length} (${point.discarded})`,
    `${failuresOf(point, "a")}, ${failuresOf(point, "b")}`,
  ]);
  const head = [
    "in flight",
    "body, bytes",
    `${a.name} msg/s`,
    `${b.name} msg/s`,
    "ratio (min to max)",
    `${a.name} CPU s/M`,
    `${b.name} CPU s/M`,
    "saving (min to max)",
    `${a.name} p50 / p99 ms`,
    `${b.name} p50 / p99 ms`,
    "pairs (discarded)",
    "not OK",
  ];
  return [
    `${a.name}: ${a.durability}. ${b.name}: ${b.durability}. Medians of pairs of ${fixed(span.measuredMs / 1_000, 1)} s after`,
    `${fixed(span.warmUpMs / 1_000, 1)} s of the same load, interleaved; windows with more than ${percent(stealMax)} steal do not count: ${percent(discardedShare(points))} of the pairs.`,
    "",
    table(head, rows),
  ].join("\n");
}

function ratio(point: ComparedPoint, of: (pair: Pair) => number): string {
  const ratios = point.pairs.map(of);
  if (ratios.length === 0) return "-";
  return `${fixed(median(ratios), 2)} (${fixed(Math.min(...ratios), 2)} to ${fixed(Math.max(...ratios), 2)})`;
}

function quantiles(point: ComparedPoint, side: (pair: Pair) => Figures): string {
  const p50 = medianOf(point, (pair) => side(pair).p50Ms);
  return `${fixed(p50, 2)} / ${fixed(
    medianOf(point, (pair) => side(pair).p99Ms),
    2,
  )}`;
}

function failuresOf(point: ComparedPoint, side: keyof Pair): number {
  return point.pairs.flatMap((pair) => Object.values(pair[side].failures)).reduce((sum, count) => sum + count, 0);
}

/** Of all pairs that were measured. */
function discardedShare(points: readonly ComparedPoint[]): number {
  const discarded = points.reduce((sum, point) => sum + point.discarded, 0);
  const counted = points.reduce((sum, point) => sum + point.pairs.length, 0);
  return discarded === 0 ? 0 : discarded / (discarded + counted);
}
