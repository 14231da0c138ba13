import { z } from "zod";
import { SaturnError } from "./errors.ts";

/** An object schema, whatever checks it has across its keys. */
type ConfigSchema<Output> = z.ZodType<Output> & { readonly shape: Shape };

/**
 * Checks a process's configuration and freezes it. `environment` wins over `input`: each key is also `SATURNMQ_` and its path in capitals,
 * `grpcPort` as `SATURNMQ_GRPC_PORT`, `store.segmentBytes` as `SATURNMQ_STORE_SEGMENT_BYTES`; lists are JSON there.
 *
 * @param whose for messages: "broker"
 * @throws {SaturnError} `BAD_REQUEST` that names every wrong key and what it must be
 */
export function parseConfig<Output>(
  whose: string,
  schema: ConfigSchema<Output>,
  input: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>> = {},
): Output {
  const parsed = schema.safeParse(overlay(input, schema.shape, "SATURNMQ", environment));
  if (parsed.success) return deepFreeze(parsed.data);
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "configuration"}: ${message}`);
  throw new SaturnError("BAD_REQUEST", `the ${whose}'s configuration is wrong: ${problems.join("; ")}`);
}

type Shape = Readonly<Record<string, z.core.$ZodType>>;

function overlay(
  input: Readonly<Record<string, unknown>>,
  shape: Shape,
  prefix: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...input };
  for (const [key, type] of Object.entries(shape)) {
    const name = `${prefix}_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
    const nested = objectShape(type);
    if (nested !== undefined) merged[key] = overlay(asObject(merged[key]), nested, name, environment);
    else if (environment[name] !== undefined) merged[key] = valueOf(environment[name], type);
  }
  return merged;
}

function objectShape(type: z.core.$ZodType): Shape | undefined {
  const inner = type instanceof z.ZodPrefault ? type.unwrap() : type;
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** The text of an environment variable as the key's type wants it. What does not fit stays text, and the schema says so. */
function valueOf(text: string, type: z.core.$ZodType): unknown {
  const inner = type instanceof z.ZodDefault ? type.unwrap() : type;
  if (inner instanceof z.ZodArray) return jsonOf(text);
  if (!(inner instanceof z.ZodNumber) || text.trim() === "") return text;
  const value = Number(text);
  return Number.isNaN(value) ? text : value;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
