const unitMs: Readonly<Record<string, number | undefined>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};
const digitsMax = 8;
const zero = 0x30;

/** Milliseconds that a `grpc-timeout` names, or undefined when it is none (gRPC over HTTP/2, "Timeout"). */
export function parseTimeout(text: string): number | undefined {
  const digits = text.length - 1;
  const unit = unitMs[text.charAt(digits)];
  if (unit === undefined || digits < 1 || digits > digitsMax) return undefined;
  let value = 0;
  for (let at = 0; at < digits; at += 1) {
    const digit = text.charCodeAt(at) - zero;
    if (digit < 0 || digit > 9) return undefined;
    value = 10 * value + digit;
  }
  return value * unit;
}
