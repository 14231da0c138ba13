export { defaultLimits, type Limits } from "./core/limits.ts";
export { GrpcError } from "./grpc/status.ts";
export { http1Refusal } from "./net/http1.ts";
export { type ServeOptions, serveH2 } from "./net/serve.ts";
export { classify } from "./net/sniff.ts";
export type {
  Answers,
  BidirectionalMethod,
  Call,
  CertificatePair,
  ClientHeaders,
  FastCall,
  FastUnaryMethod,
  IncomingStream,
  Method,
  ServerStreamingMethod,
  Service,
  StreamingCall,
  Transport,
  UnaryMethod,
} from "./service.ts";
