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
  openNameServer,
  type RunningNameServer,
  startNameServer,
} from "./main.ts";
