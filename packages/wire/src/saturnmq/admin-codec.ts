import { fileURLToPath } from "node:url";
import type { PackageDefinition } from "@grpc/proto-loader";
import { defined, SaturnError } from "@saturnmq/kit";
import protobuf from "protobufjs";
import { type AdminMethod, type AdminMethods, adminServiceName } from "./admin.ts";

// One shape on both sides: camelCase names, 64-bit integers as numbers (all are below 2^53), absent optionals absent.
const shape = { longs: Number, enums: String, defaults: true, arrays: true, objects: true } as const;

const protoFile = fileURLToPath(new URL("../../proto/saturnmq/v1/admin.proto", import.meta.url));

/** Both directions of one method of `saturnmq.v1.Admin`, as its server needs them. */
export type AdminCodec<Method extends AdminMethod> = {
  /** @throws {SaturnError} `BAD_REQUEST` for bytes that are no such message */
  decodeRequest(bytes: Uint8Array): AdminMethods[Method]["request"];
  encodeReply(reply: AdminMethods[Method]["reply"]): Uint8Array;
};

/** A codec a method, made from the `.proto` file when called: a server does it once, at its start. */
export type AdminCodecs = { readonly [Method in AdminMethod]: AdminCodec<Method> };

/** Reads the service definition and answers the codecs of all its methods. */
export function loadAdminCodecs(): AdminCodecs {
  const root = protobuf.loadSync(protoFile).resolveAll();
  const service = root.lookupService(adminServiceName);
  const codecs = service.methodsArray.map((method) => [method.name, codecOf(method)]);
  return Object.fromEntries(codecs) as AdminCodecs;
}

function codecOf(method: protobuf.Method): AdminCodec<AdminMethod> {
  const requestType = typeOf(method.resolvedRequestType, method.name);
  const replyType = typeOf(method.resolvedResponseType, method.name);
  return {
    decodeRequest: (bytes) => {
      try {
        return requestType.toObject(requestType.decode(bytes), shape) as AdminMethods[AdminMethod]["request"];
      } catch (error) {
        throw new SaturnError("BAD_REQUEST", `the request is no ${requestType.name}`, { cause: error });
      }
    },
    encodeReply: (reply) => replyType.encode(replyType.fromObject(reply)).finish(),
  };
}

function typeOf(type: protobuf.Type | null, method: string): protobuf.Type {
  return defined(type, `the message type of ${method}`);
}

/**
 * The service as `@grpc/grpc-js` clients take it (`loadPackageDefinition`), with the same shape of messages as the codecs.
 * Loads `@grpc/proto-loader` when called, so that servers start without it.
 */
export async function loadAdminDefinition(): Promise<PackageDefinition> {
  const { load } = await import("@grpc/proto-loader");
  return load(protoFile, shape);
}
