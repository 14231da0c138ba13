import type { Service } from "../transport/service.ts";

const empty = new Uint8Array(0);

/**
 * Takes the metrics that clients send when their settings say so (OpenTelemetry protocol) and drops them. Only clients that cannot do without
 * are told to send any.
 */
export const metricsSink: Service = {
  name: "opentelemetry.proto.collector.metrics.v1.MetricsService",
  methods: new Map([["Export", { kind: "unary", handle: () => empty }]]),
};
