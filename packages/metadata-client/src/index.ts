export { openRemoteMetadata, type RemoteMetadata, type RemoteMetadataOptions } from "./remote-metadata.ts";
export { openViewCache, type ViewCache } from "./view-cache.ts";
