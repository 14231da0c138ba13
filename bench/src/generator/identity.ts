import { hostname } from "node:os";
import type { Header } from "./hpack.ts";

const service = "/apache.rocketmq.v2.MessagingService/";
let clients = 0;

/** A client id that no other connection of this run uses: servers keep sessions by it. */
export function newClientId(): string {
  clients += 1;
  return `${hostname().slice(0, 20)}@${process.pid}@${clients}@saturnmq-bench`;
}

/**
 * Header fields of one call, in the shape of the official Java client. `grpc-timeout` is not optional: Apache's proxy fails a ReceiveMessage
 * without it.
 */
export function requestHeaders(
  method: string,
  authority: string,
  clientId: string,
  timeoutMs: number,
): readonly Header[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", service + method],
    [":authority", authority],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["grpc-timeout", `${Math.ceil(timeoutMs)}m`],
    ["user-agent", "grpc-java-netty/1.50.0"],
    ["x-mq-client-id", clientId],
    ["x-mq-language", "JAVA"],
    ["x-mq-protocol", "v2"],
    ["x-mq-client-version", "5.0.7"],
    ["x-mq-namespace", ""],
    ["x-mq-date-time", `${new Date().toISOString().replace(/[-:]/g, "").slice(0, 15)}Z`],
  ];
}
