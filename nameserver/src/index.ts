export {
  type NameServerConfig,
  type NameServerConfigInput,
  nameServerConfigSchema,
  parseNameServerConfig,
} from "./config.ts";
export {
  type NameServer,
  type NameServerDeps,
  type NameServerOptions,
  type OpenLinks,
  openNameServer,
  type RunningNameServer,
  startNameServer,
} from "./main.ts";
