import { mkdir, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { freePort } from "../src/free-port.ts";
import { librariesBelow, unpackDebian } from "./debian.ts";
import type { NativePeer } from "./native.ts";
import { durabilities, PeerProcess } from "./peer.ts";
import { answerOf, type SendProtocol } from "./pipelined-load.ts";

/** NATS JetStream, a file stream of one replica. Debian's 2.9 syncs every two minutes, not before it acknowledges: D0. */
export async function startNats(folder: string): Promise<NativePeer> {
  const root = await unpackDebian("nats", ["nats-server"]);
  const home = join(folder, "nats");
  await mkdir(home, { recursive: true });
  const port = await freePort();
  const config = join(home, "nats.conf");
  await writeFile(
    config,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${home}", max_mem: 256MB, max_file: 20GB }\n`,
  );
  const server = await PeerProcess.start(join(root, "usr/sbin/nats-server"), ["-c", config], {
    logPath: join(home, "nats.log"),
    ready: /Server is ready/,
    env: librariesBelow(root),
  });
  return {
    name: "NATS JetStream 2.9",
    durability: durabilities.D0,
    port,
    processes: { pids: [server.pid], folder: home },
    protocol: (bodyBytes) => new JetStream(bodyBytes),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const subject = "bench.messages";
let connections = 0;
const streamName = "bench";
const lineEnd = Buffer.from("\r\n");

/** The client protocol of NATS (docs.nats.io, "NATS Protocol"), publishing to a JetStream stream with an acknowledgement for each message. */
class JetStream implements SendProtocol {
  readonly #body: Buffer;
  /** Its own: every subscriber of an inbox gets what comes there. */
  readonly #inbox = `_INBOX.bench${(connections += 1)}`;

  constructor(bodyBytes: number) {
    this.#body = Buffer.concat([Buffer.alloc(bodyBytes, "x"), lineEnd]);
  }

  async open(socket: Socket): Promise<void> {
    const hello = JSON.stringify({
      verbose: false,
      pedantic: false,
      lang: "saturnmq-bench",
      version: "1",
      protocol: 1,
    });
    const limits = { max_bytes: 8 * 2 ** 30, discard: "old", retention: "limits", num_replicas: 1 };
    const stream = JSON.stringify({ name: streamName, subjects: ["bench.>"], storage: "file", ...limits });
    const create = `PUB $JS.API.STREAM.CREATE.${streamName} ${this.#inbox}.create ${Buffer.byteLength(stream)}\r\n${stream}\r\n`;
    socket.write(`CONNECT ${hello}\r\nSUB ${this.#inbox}.* 1\r\n${create}`);
    const answer = await answerOf(socket, (bytes) => {
      const text = bytes.toString("latin1");
      return /MSG \S+\.create 1 \d+\r\n(.*)\r\n/.exec(text)?.[1] ?? /-ERR .*/.exec(text)?.[0];
    });
    // One of the other connections may have made it: the same configuration again is no error.
    if (answer.startsWith("-ERR") || answer.includes('"error"')) throw new Error(`NATS made no stream: ${answer}`);
  }

  request(n: number): Buffer {
    return Buffer.concat([Buffer.from(`PUB ${subject} ${this.#inbox}.${n} ${this.#body.length - 2}\r\n`), this.#body]);
  }

  read(bytes: Buffer, answered: (n: number, problem?: string) => void): number {
    let at = 0;
    for (;;) {
      const lineStop = bytes.indexOf(lineEnd, at);
      if (lineStop < 0) return at;
      const words = bytes.toString("latin1", at, lineStop).split(" ");
      if (words[0] !== "MSG") {
        at = lineStop + 2; // PING is answered by nobody within a short run; INFO and +OK say nothing.
        continue;
      }
      const end = lineStop + 2 + Number(words.at(-1)) + 2;
      if (end > bytes.length) return at;
      const number = Number(words[1]?.slice(this.#inbox.length + 1));
      const isStored = bytes.indexOf('"seq":', lineStop) < end && bytes.indexOf('"seq":', lineStop) > 0;
      if (isStored) answered(number);
      else answered(number, bytes.toString("latin1", lineStop + 2, end - 2));
      at = end;
    }
  }
}
