import { fileURLToPath } from "node:url";
import type { PackageDefinition } from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { type AdminMethod, type AdminMethods, adminServiceName } from "./admin.ts";
import { decodeMessage, encodeMessage, messageShape, typeOf } from "./message-shape.ts";

const protoFile = fileURLToPath(new URL("../../proto/saturnmq/v1/admin.proto", import.meta.url));

/** Both directions of one method of `saturnmq.v1.Admin`, for its server and for who passes a call on. */
export type AdminCodec<Method extends AdminMethod> = {
  /** @throws {SaturnError} `BAD_REQUEST` for bytes that are no such message */
  decodeRequest(bytes: Uint8Array): AdminMethods[Method]["request"];
  encodeReply(reply: AdminMethods[Method]["reply"]): Uint8Array;
  encodeRequest(request: AdminMethods[Method]["request"]): Uint8Array;
  /** @throws {SaturnError} `BAD_REQUEST` for bytes that are no such message */
  decodeReply(bytes: Uint8Array): AdminMethods[Method]["reply"];
};

/** A codec a method, made from the `.proto` file. */
export type AdminCodecs = { readonly [Method in AdminMethod]: AdminCodec<Method> };

let loaded: AdminCodecs | undefined;

/** The codecs of all its methods; the service definition is read at the first call. */
export function loadAdminCodecs(): AdminCodecs {
  loaded ??= readAdminCodecs();
  return loaded;
}

function readAdminCodecs(): AdminCodecs {
  const root = protobuf.loadSync(protoFile).resolveAll();
  const service = root.lookupService(adminServiceName);
  const codecs = service.methodsArray.map((method) => [method.name, codecOf(method)]);
  return Object.fromEntries(codecs) as AdminCodecs;
}

function codecOf(method: protobuf.Method): AdminCodec<AdminMethod> {
  const requestType = typeOf(method.resolvedRequestType, method.name);
  const replyType = typeOf(method.resolvedResponseType, method.name);
  return {
    decodeRequest: (bytes) => decodeMessage(requestType, bytes) as AdminMethods[AdminMethod]["request"],
    encodeReply: (reply) => encodeMessage(replyType, reply),
    encodeRequest: (request) => encodeMessage(requestType, request),
    decodeReply: (bytes) => decodeMessage(replyType, bytes) as AdminMethods[AdminMethod]["reply"],
  };
}

/**
 * The service as `@grpc/grpc-js` clients take it (`loadPackageDefinition`), with the same shape of messages as the codecs.
 * Loads `@grpc/proto-loader` when called, so that servers start without it.
 */
export async function loadAdminDefinition(): Promise<PackageDefinition> {
  const { default: loader } = await import("@grpc/proto-loader");
  return loader.load(protoFile, messageShape);
}
