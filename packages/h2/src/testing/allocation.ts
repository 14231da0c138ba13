/*
 * Prints the bytes of heap that a fast call of 1 KiB takes, HTTP/2 and gRPC together, once everything is warm: `node --expose-gc` runs it for
 * `allocation.test.ts`. The window of a measurement is smaller than the young generation, so nothing is collected within it.
 */
import { silentLogger } from "@saturnmq/kit";
import { systemClock } from "@saturnmq/kit/node";
import { Connection } from "../core/connection.ts";
import { defaultLimits } from "../core/limits.ts";
import { ChunkPool, Output } from "../core/output.ts";
import { Engine } from "../grpc/engine.ts";
import { data, frame, grpcMessage, hello, hpackInteger, settingsAck } from "./frames.ts";

const callsARead = 50;
const warmReads = 3_000;
const measuredReads = 60;

const engine = new Engine(
  [
    {
      name: "b.E",
      methods: new Map([
        [
          "E",
          {
            kind: "fastUnary",
            headers: ["x-mq-client-id"],
            handle: (bytes, start, length, call) => {
              call.answers.answer(call.ticket, bytes, start, length);
              return true;
            },
          },
        ],
      ]),
    },
  ],
  {
    clock: systemClock(),
    log: silentLogger,
    limits: defaultLimits,
    receiveBytesMax: 1 << 20,
    requestMs: 30_000,
    connectionMemoryBytes: 1 << 20,
    memoryBytes: 1 << 20,
    codeTrailer: "code",
    observe: undefined,
    onEarlierDeadline: () => undefined,
  },
);
const pool = new ChunkPool();
const output = new Output(pool);
const connection = new Connection(engine.room, output, 0, Number.POSITIVE_INFINITY);
connection.dirty = true; // The shell that would write is this loop.

function literal(first: number, name: string, value: string): Buffer {
  const parts = [name, value].map((text) => Buffer.concat([hpackInteger(text.length, 7, 0), Buffer.from(text)]));
  return Buffer.concat([Buffer.from([first]), ...parts]);
}

/** As long-lived clients send it: all but the timeout by index after the first call. */
const timeout = literal(0, "grpc-timeout", "3S");
const named = [
  ":authority a:1",
  ":path /b.E/E",
  "te trailers",
  "content-type application/grpc",
  "x-mq-client-id me@host",
];
const inserts = named.map((field) => literal(0x40, field.split(" ")[0] ?? "", field.split(" ")[1] ?? ""));
const firstBlock = Buffer.concat([Buffer.from([0x83, 0x86]), ...inserts, timeout]);
const laterBlock = Buffer.concat([Buffer.from([0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]), timeout]);

let stream = 1;
function call(block: Buffer): Buffer {
  const bytes = Buffer.concat([frame(1, 4, stream, block), data(stream, grpcMessage(Buffer.alloc(1_024)), true)]);
  stream += 2;
  return bytes;
}

function read(bytes: Buffer): void {
  connection.receive(bytes, 0);
  for (const chunk of output.take()) pool.give(chunk);
  connection.sender.window = 1 << 30;
}

function reads(count: number): Buffer[] {
  return Array.from({ length: count }, () => Buffer.concat(Array.from({ length: callsARead }, () => call(laterBlock))));
}

read(Buffer.concat([hello([[4, 2 ** 31 - 1]]), settingsAck, call(firstBlock)]));
for (let n = 0; n < warmReads; n += 100) for (const bytes of reads(100)) read(bytes);
const measured = reads(measuredReads);
globalThis.gc?.();
const before = process.memoryUsage().heapUsed;
for (const bytes of measured) read(bytes);
const after = process.memoryUsage().heapUsed;
if (connection.state !== "open" || engine.streams.open > 0) throw new Error("the calls did not go well");
process.stdout.write(String(Math.round((after - before) / (measuredReads * callsARead))));
