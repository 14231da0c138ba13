export { grpcRpc } from "./grpc-rpc.ts";
export { openRemoteMetadata, type RemoteMetadata, type RemoteMetadataOptions } from "./remote-metadata.ts";
export { AttemptFailed, type Failure, type Rpc, type RpcStream, type RpcStreamEvents, readAnswer } from "./rpc.ts";
export { openViewCache, type ViewCache } from "./view-cache.ts";
