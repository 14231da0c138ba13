const nanosPerMillisecond = 1_000_000;

/** A protobuf duration or timestamp in whole milliseconds, rounded down; `undefined` when absent. */
export function durationMs(
  value: { readonly seconds: number; readonly nanos: number } | undefined,
): number | undefined {
  return value === undefined ? undefined : value.seconds * 1_000 + Math.floor(value.nanos / nanosPerMillisecond);
}

/** Whole milliseconds as a protobuf duration or timestamp. */
export function durationOf(milliseconds: number): { readonly seconds: number; readonly nanos: number } {
  const seconds = Math.floor(milliseconds / 1_000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1_000) * nanosPerMillisecond) };
}
