import type { DeadLetters } from "./dead-letters.ts";
import type { ShardReader } from "./shard-reader.ts";
import type { ShardRuntime } from "./shard-runtime.ts";

/** A shard with what reads its messages, and with what keeps those that are given up. */
export type ReadableShard = {
  readonly runtime: ShardRuntime;
  readonly reader: ShardReader;
  readonly deadLetters: DeadLetters;
};
