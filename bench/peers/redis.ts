import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../src/free-port.ts";
import { librariesBelow, unpackDebian } from "./debian.ts";
import type { NativePeer } from "./native.ts";
import { durabilities, PeerProcess } from "./peer.ts";
import type { SendProtocol } from "./pipelined-load.ts";

const packages = ["redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1"];

/** Redis streams with an append-only file: synced every second (D0) or before each answer (D1). */
export async function startRedis(level: keyof typeof durabilities, folder: string): Promise<NativePeer> {
  const root = await unpackDebian("redis", packages);
  const home = join(folder, `redis-${level}`);
  await mkdir(home, { recursive: true });
  const port = await freePort();
  const durable = ["--appendonly", "yes", "--appendfsync", level === "D1" ? "always" : "everysec"];
  const more = ["--save", "", "--auto-aof-rewrite-percentage", "0"];
  const server = await PeerProcess.start(
    join(root, "usr/bin/redis-server"),
    ["--bind", "127.0.0.1", "--port", String(port), "--dir", home, ...durable, ...more],
    { logPath: join(home, "redis.log"), ready: /Ready to accept connections/, env: librariesBelow(root) },
  );
  return {
    name: `Redis 7.0 streams, fsync ${level === "D1" ? "always" : "every second"}`,
    durability: durabilities[level],
    port,
    processes: { pids: [server.pid], folder: home },
    protocol: (bodyBytes) => new RedisStream(bodyBytes),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Entries that a stream keeps: it lives in memory. */
const entriesMax = "100000";

/** RESP2 (redis.io, "Redis serialization protocol specification"): XADD, answered in order by the entry's id. */
class RedisStream implements SendProtocol {
  readonly #request: Buffer;
  #answered = 0;

  constructor(bodyBytes: number) {
    const words = ["XADD", "bench", "MAXLEN", "~", entriesMax, "*", "body", "x".repeat(bodyBytes)];
    const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
    this.#request = Buffer.from(`*${words.length}\r\n${parts.join("")}`);
  }

  async open(): Promise<void> {
    // Nothing to say, and the first XADD makes the stream.
  }

  request(): Buffer {
    return this.#request;
  }

  read(bytes: Buffer, answered: (n: number, problem?: string) => void): number {
    let at = 0;
    for (;;) {
      const lineStop = bytes.indexOf("\r\n", at);
      if (lineStop < 0) return at;
      const line = bytes.toString("latin1", at, lineStop);
      const length = line.startsWith("$") ? Number(line.slice(1)) : undefined;
      const end = length === undefined ? lineStop + 2 : lineStop + 2 + length + 2;
      if (end > bytes.length) return at;
      answered(this.#answered, length === undefined ? line : undefined);
      this.#answered += 1;
      at = end;
    }
  }
}
