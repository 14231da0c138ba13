import type { Init, MessageCodec } from "./protobuf/message-codec.ts";

/** A call as `messagingService` lists it. */
export type WireMethod<Request, Response> = {
  readonly path: string;
  readonly request: MessageCodec<Request>;
  readonly response: MessageCodec<Response>;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
};

/** A call as `makeGenericClientConstructor` and `Server#addService` of `@grpc/grpc-js` take it. */
export type GrpcMethod<Request, Response> = {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: Init<Request>) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (value: Init<Response>) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
};

/** One of `messagingService`'s calls for grpc-js; no .proto file is read and no loader imported. */
export function grpcMethod<Request, Response>(method: WireMethod<Request, Response>): GrpcMethod<Request, Response> {
  const { path, request, response, requestStream, responseStream } = method;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: (value) => request.encode(value),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (value) => response.encode(value),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}
