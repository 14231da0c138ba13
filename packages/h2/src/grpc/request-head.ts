import { defined } from "@saturnmq/kit";
import type { FieldList } from "../core/field-list.ts";
import type { RequestRows } from "../core/request-rules.ts";
import type { FastUnaryMethod } from "../service.ts";
import type { Exchange } from "./exchange.ts";
import { type Failure, grpcStatus } from "./status.ts";
import { parseTimeout } from "./timeout.ts";

const grpcType = "application/grpc";

/** POST, and `application/grpc` with nothing, a sub-type or parameters behind it. */
export function isGrpc(list: FieldList, rows: RequestRows): boolean {
  if (rows.contentType < 0 || rows.path < 0) return false;
  const type = list.value(rows.contentType);
  if (!type.startsWith(grpcType) || list.value(rows.method) !== "POST") return false;
  const next = type[grpcType.length];
  return next === undefined || next === "+" || next === ";";
}

/** Notes deadline and compression of a request. Answers what is wrong with them. */
export function readHead(exchange: Exchange, list: FieldList, rows: RequestRows): Failure | undefined {
  if (rows.grpcTimeout >= 0) {
    const timeoutMs = parseTimeout(list.value(rows.grpcTimeout));
    if (timeoutMs === undefined) return { code: grpcStatus.invalidArgument, message: "grpc-timeout is malformed" };
    exchange.deadlineMs = exchange.startedMs + timeoutMs;
  }
  if (rows.grpcEncoding < 0) return undefined;
  const encoding = list.value(rows.grpcEncoding);
  exchange.gzip = encoding === "gzip";
  if (exchange.gzip || encoding === "identity") return undefined;
  return {
    code: grpcStatus.unimplemented,
    message: `grpc-encoding ${encoding} is not supported`,
    trailers: [["grpc-accept-encoding", "identity,gzip"]],
  };
}

/** Keeps the metadata that a fast method will ask for. */
export function keepHeaders(exchange: Exchange, method: FastUnaryMethod, list: FieldList): void {
  const { headers } = method;
  for (let at = 0; at < headers.length; at += 1) exchange.setHeader(at, list.find(defined(headers[at], "header")));
}
