import type { Method } from "./service.ts";

type Codec<Request, Reply> = {
  decodeRequest(bytes: Uint8Array): Request;
  encodeReply(reply: Reply): Uint8Array;
};

/** A unary method over plain data. */
export function unaryMethod<Request, Reply>(
  codec: Codec<Request, Reply>,
  handle: (request: Request) => Promise<Reply>,
): Extract<Method, { kind: "unary" }> {
  return { kind: "unary", handle: async (bytes) => codec.encodeReply(await handle(codec.decodeRequest(bytes))) };
}
