import { readFileSync } from "node:fs";
import { parse } from "yaml";

/** What a metric of the custom metrics API is made of, as a rule for prometheus-adapter says. */
export type AdapterRule = {
  /** Name of the metric. */
  readonly name: string;
  /** Name of the series on /metrics. */
  readonly series: string;
  /** Whether its growth a second counts, or its present value. */
  readonly isRate: boolean;
};

type Rules = {
  readonly rules: readonly {
    readonly seriesQuery: string;
    readonly name: { readonly as: string };
    readonly metricsQuery: string;
  }[];
};

const sumOf = /^sum\((rate\()?<<\.Series>>\{<<\.LabelMatchers>>\}(\[\w+\]\))?\) by \(<<\.GroupBy>>\)$/;

/** Those that the chart ships. @throws {Error} when one is more than a sum, or a sum of a rate, by pod */
export function shippedRules(): readonly AdapterRule[] {
  const file = new URL("../../../helm/saturnmq/files/adapter-rules.yaml", import.meta.url);
  const { rules } = parse(readFileSync(file, "utf8")) as Rules;
  return rules.map(({ seriesQuery, name, metricsQuery }) => {
    const series = /^([a-z_]+)\{namespace!="",pod!=""\}$/.exec(seriesQuery)?.[1];
    const sum = sumOf.exec(metricsQuery);
    if (series === undefined || sum === null) throw new Error(`not understood: ${seriesQuery}, ${metricsQuery}`);
    return { name: name.as, series, isRate: sum[1] !== undefined };
  });
}
