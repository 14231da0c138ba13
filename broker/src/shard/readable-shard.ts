import type { ShardReader } from "./shard-reader.ts";
import type { ShardRuntime } from "./shard-runtime.ts";

/** A shard with what reads its messages. */
export type ReadableShard = { readonly runtime: ShardRuntime; readonly reader: ShardReader };
