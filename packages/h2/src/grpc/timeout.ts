const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };
const pattern = /^(\d{1,8})([HMSmun])$/;

/** Milliseconds that a `grpc-timeout` names, or undefined when it is none (gRPC over HTTP/2, "Timeout"). */
export function parseTimeout(text: string): number | undefined {
  const match = pattern.exec(text);
  const unit = match?.[2] === undefined ? undefined : unitMs[match[2]];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}
