import { setTimeout as sleep } from "node:timers/promises";
import { GrpcError } from "../grpc/status.ts";
import type { Call, IncomingStream, Method, Service, StreamingCall } from "../service.ts";
import { bytesOf, numberOf, readFields, writeFields } from "./wire-text.ts";

/**
 * `grpc.testing.TestService` (gRPC's interop-test-descriptions.md) for the cases that a foreign client puts to us.
 *
 * Fields used of `messages.proto`: SimpleRequest {2 response_size, 3 payload, 7 response_status}, SimpleResponse {1 payload}, Payload {2 body},
 * EchoStatus {1 code, 2 message}, StreamingOutputCallRequest {2 response_parameters, 3 payload, 7 response_status}, ResponseParameters {1 size,
 * 2 interval_us}, StreamingInputCallRequest {1 payload}, StreamingInputCallResponse {1 aggregated_payload_size}.
 */
export function interopService(): Service {
  const methods = new Map<string, Method>([
    ["EmptyCall", { kind: "unary", handle: (_bytes, _start, _length, call) => empty(call) }],
    [
      "UnaryCall",
      {
        kind: "unary",
        handle: (bytes, start, length, call) => unaryCall(bytes.subarray(start, start + length), call),
      },
    ],
    [
      "StreamingOutputCall",
      {
        kind: "serverStreaming",
        handle: (bytes, start, length, call) => output(bytes.subarray(start, start + length), call),
      },
    ],
    ["StreamingInputCall", { kind: "bidirectional", open: aggregate }],
    ["FullDuplexCall", { kind: "bidirectional", open: fullDuplex }],
  ]);
  return { name: "grpc.testing.TestService", methods };
}

const nothing = Buffer.alloc(0);

function empty(call: Call): Buffer {
  echoMetadata(call);
  return nothing;
}

function unaryCall(bytes: Uint8Array, call: Call): Buffer {
  echoMetadata(call);
  const fields = readFields(bytes);
  throwStatus(bytesOf(fields, 7));
  return writeFields([[1, payload(numberOf(fields, 2))]]);
}

async function output(bytes: Uint8Array, call: StreamingCall): Promise<void> {
  echoMetadata(call);
  await respond(bytes, call);
}

async function respond(bytes: Uint8Array, call: StreamingCall): Promise<void> {
  for (const [field, value] of readFields(bytes)) {
    if (field !== 2 || typeof value === "number") continue;
    const parameters = readFields(value);
    const intervalUs = numberOf(parameters, 2);
    if (intervalUs > 0) await sleep(intervalUs / 1_000, undefined, { signal: call.signal }).catch(() => undefined);
    if (!call.write(writeFields([[1, payload(numberOf(parameters, 1))]]))) await call.drained();
  }
}

function aggregate(call: StreamingCall): IncomingStream {
  let total = 0;
  return {
    message: (bytes, start, length) => {
      total += bytesOf(readFields(bytesOf(readFields(bytes.subarray(start, start + length)), 1)), 2).length;
    },
    end: () => {
      call.write(writeFields([[1, total]]));
      call.end();
    },
  };
}

function fullDuplex(call: StreamingCall): IncomingStream {
  echoMetadata(call);
  let last = Promise.resolve();
  return {
    message: (bytes, start, length) => {
      const request = Buffer.from(bytes.subarray(start, start + length));
      throwStatus(bytesOf(readFields(request), 7));
      last = last.then(() => respond(request, call));
    },
    end: () => {
      void last.then(() => {
        call.end();
      });
    },
  };
}

/** Case `custom_metadata`: one entry comes back in front, a binary one behind. */
function echoMetadata(call: Call): void {
  const initial = call.header("x-grpc-test-echo-initial");
  if (initial !== undefined) call.addHeader("x-grpc-test-echo-initial", initial);
  const trailing = call.binaryHeader("x-grpc-test-echo-trailing-bin");
  if (trailing !== undefined) call.addTrailer("x-grpc-test-echo-trailing-bin", trailing);
}

function payload(size: number): Buffer {
  return writeFields([[2, Buffer.alloc(size)]]);
}

function throwStatus(bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const fields = readFields(bytes);
  throw new GrpcError(numberOf(fields, 1), Buffer.from(bytesOf(fields, 2)).toString());
}
