import { getU64, setU64, viewOf } from "./bytes.ts";
import { type KnownConfiguration, readConfiguration } from "./configurations.ts";

/**
 * What an entry of kind `restart` says beside its index and term, after which the group's log begins: `u64` last index of the entries
 * before that stay readable, `u64` 1 if the entries behind `index` stay, `u64` index of the configuration in force, and that configuration.
 */
export type RestartFact = {
  readonly index: number;
  readonly term: number;
  /** The log held (index, term): what is behind it stays. Else everything above `keptTo` is discarded. */
  readonly continues: boolean;
  readonly keptTo: number;
  readonly configuration: KnownConfiguration | undefined;
};

const headBytes = 24;

export function encodeRestart({ continues, keptTo, configuration }: RestartFact): Uint8Array {
  const bytes = new Uint8Array(headBytes + (configuration?.bytes.length ?? 0));
  const view = viewOf(bytes);
  setU64(view, 0, keptTo);
  setU64(view, 8, continues ? 1 : 0);
  setU64(view, 16, configuration?.index ?? 0);
  if (configuration !== undefined) bytes.set(configuration.bytes, headBytes);
  return bytes;
}

/** @throws {RangeError} if its configuration is of a version that this program does not know */
export function readRestart(index: number, term: number, bytes: Uint8Array): RestartFact {
  const view = viewOf(bytes);
  const configuration = bytes.subarray(headBytes);
  return {
    index,
    term,
    keptTo: getU64(view, 0),
    continues: getU64(view, 8) === 1,
    configuration: configuration.length === 0 ? undefined : readConfiguration(getU64(view, 16), configuration),
  };
}
