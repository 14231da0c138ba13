export { ApiClient } from "./api-client.ts";
export { isApiError } from "./api-error.ts";
export { loadCredentials } from "./credentials.ts";
export { Informer } from "./informer.ts";
export { type KubeObject } from "./objects.ts";
