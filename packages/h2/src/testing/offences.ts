import { gzipSync } from "node:zlib";
import { flag, frameType } from "../core/protocol.ts";
import {
  data,
  frame,
  grpcMessage,
  grpcRequest,
  headers,
  literals,
  ping,
  resetStream,
  settings,
  windowUpdate,
} from "./frames.ts";

/** What a peer may do to a server that serves `test.Echo`. */
export type Offence = {
  readonly what: string;
  /** Bytes of the n-th round. */
  readonly round: (n: number) => Buffer;
  /** Of the server. */
  readonly limits?: Record<string, number>;
  /** Of the offender. */
  readonly settings?: readonly (readonly [number, number])[];
  /** Reads none of what it is sent. */
  readonly deaf?: boolean;
  /** Does not greet. */
  readonly silent?: boolean;
};

const rounds = 50;
const streams = (n: number): number[] => Array.from({ length: rounds }, (_, at) => 2 * (n * rounds + at) + 1);
const many = (n: number, each: (stream: number) => Buffer): Buffer => Buffer.concat(streams(n).map(each));
const repeat = (bytes: Buffer, times: number): Buffer => Buffer.concat(Array.from({ length: times }, () => bytes));
const open = (stream: number, method = "Keep"): Buffer => headers(stream, grpcRequest(`/test.Echo/${method}`));
const selfDependency = (stream: number): Buffer =>
  frame(frameType.priority, 0, stream, [stream >>> 24, stream >>> 16, stream >>> 8, stream, 16]);
const ask = (stream: number, method: string, body: Buffer): Buffer =>
  Buffer.concat([open(stream, method), data(stream, grpcMessage(body), true)]);
/** A field of 4,000 bytes into the table, then 4,000 references to it. */
const bomb = Buffer.concat([
  Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]),
  Buffer.alloc(4_000, 0x62),
  Buffer.alloc(4_000, 0xbe),
]);
const gzipBomb = gzipSync(Buffer.alloc(8 << 20));
/** What fits a frame of a message of 7 MiB. */
const beginningOf7Mib = Buffer.concat([Buffer.from([0, 0, 0x70, 0, 0]), Buffer.alloc(16_379)]);
/** The same on a small scale: over the limit of a list, but not by so much that it is an attack by itself. */
const smallBomb = Buffer.concat([Buffer.from([0x40, 1, 0x61, 100]), Buffer.alloc(100, 0x62), Buffer.alloc(200, 0xbe)]);

/** Each in rounds, for as long as the server bears it (reliability, security rows 14 and 15). */
export const offences: readonly Offence[] = [
  { what: "rapid reset", round: (n) => many(n, (id) => Buffer.concat([open(id), resetStream(id, 8)])) },
  {
    what: "MadeYouReset by WINDOW_UPDATE 0",
    round: (n) => many(n, (id) => Buffer.concat([open(id), windowUpdate(id, 0)])),
  },
  {
    what: "MadeYouReset by PRIORITY on itself",
    round: (n) => many(n, (id) => Buffer.concat([open(id), selfDependency(id)])),
  },
  {
    what: "MadeYouReset by a window that overflows",
    round: (n) => many(n, (id) => Buffer.concat([open(id), windowUpdate(id, 2 ** 31 - 1)])),
  },
  {
    what: "MadeYouReset by DATA behind the end",
    round: (n) => many(n, (id) => Buffer.concat([ask(id, "Keep", Buffer.alloc(1)), data(id, Buffer.alloc(1))])),
  },
  { what: "SETTINGS flood", round: () => repeat(settings(), 200) },
  { what: "flood of large SETTINGS", round: () => settings(Array.from({ length: 2_000 }, () => [3, 100] as const)) },
  { what: "PING flood", round: () => repeat(ping(), 200) },
  { what: "PRIORITY flood", round: () => repeat(frame(frameType.priority, 0, 1, [0, 0, 0, 3, 1]), 200) },
  { what: "flood of unknown frames", round: () => repeat(frame(0xbe, 0, 0, Buffer.alloc(8)), 200) },
  { what: "WINDOW_UPDATE flood", round: () => repeat(windowUpdate(0, 1), 200) },
  {
    what: "empty-DATA flood",
    round: (n) => Buffer.concat([n === 0 ? open(1) : Buffer.alloc(0), repeat(data(1, Buffer.alloc(0)), 200)]),
  },
  {
    what: "CONTINUATION flood",
    round: (n) =>
      n === 0
        ? frame(frameType.headers, 0, 1, literals(grpcRequest("/test.Echo/Keep")))
        : repeat(frame(frameType.continuation, 0, 1, [0x82]), 100),
  },
  {
    what: "CONTINUATION flood of full frames",
    round: (n) => frame(n === 0 ? frameType.headers : frameType.continuation, 0, 1, Buffer.alloc(16_384, 0x82)),
  },
  { what: "HPACK bomb", round: (n) => many(n, (id) => frame(frameType.headers, flag.endHeaders, id, bomb)) },
  {
    what: "small HPACK bombs",
    round: (n) => many(n, (id) => frame(frameType.headers, flag.endHeaders, id, smallBomb)),
  },
  {
    what: "header-list bomb",
    round: (n) =>
      headers(
        2 * n + 1,
        Array.from({ length: 200 }, (_, at) => [`x-${at}`, "v".repeat(70)] as const),
      ),
  },
  {
    what: "header block that does not end",
    round: (n) => (n === 0 ? frame(frameType.headers, 0, 1, [0x82]) : Buffer.alloc(0)),
    limits: { handshakeMs: 500 },
  },
  {
    what: "window starvation",
    round: (n) => many(n, (id) => ask(id, "Large", Buffer.from([100]))),
    settings: [[4, 0]],
  },
  {
    what: "window starvation that waits",
    round: (n) => (n === 0 ? ask(1, "Large", Buffer.from([100])) : Buffer.alloc(0)),
    settings: [[4, 0]],
    limits: { stallMs: 500 },
  },
  {
    what: "slow reader",
    round: (n) => many(n, (id) => ask(id, "Large", Buffer.from([60]))),
    settings: [[4, 2 ** 31 - 1]],
    limits: { stallMs: 500 },
    deaf: true,
  },
  { what: "5,000 half-open requests", round: (n) => many(n, (id) => open(id)) },
  {
    what: "half-open requests that wait",
    round: (n) => (n < 25 ? many(n, (id) => open(id)) : Buffer.alloc(0)),
    limits: { requestMs: 500, concurrentStreamsMax: 2_000 },
  },
  {
    what: "requests of 7 MiB that never end",
    round: (n) => Buffer.concat([open(2 * n + 1), data(2 * n + 1, beginningOf7Mib)]),
    limits: { requestMs: 500, connectionMemoryBytes: 24 << 20 },
  },
  {
    what: "requests of 7 MiB that never end, many at a time",
    round: (n) => many(n, (id) => Buffer.concat([open(id), data(id, beginningOf7Mib)])),
    limits: { requestMs: 500, connectionMemoryBytes: 24 << 20 },
  },
  {
    what: "gzip bombs",
    round: (n) =>
      many(n, (id) =>
        Buffer.concat([
          headers(id, grpcRequest("/test.Echo/Keep", [["grpc-encoding", "gzip"]])),
          data(id, grpcMessage(gzipBomb, true), true),
          resetStream(id, 8),
        ]),
      ),
  },
  {
    what: "no preface",
    round: (n) => Buffer.from(n === 0 ? "PRI * HT" : ""),
    limits: { handshakeMs: 500 },
    silent: true,
  },
];
