export {
  type NameServerConfig,
  type NameServerConfigInput,
  nameServerConfigSchema,
  parseNameServerConfig,
} from "./config.ts";
export {
  type NameServerDeps,
  type RunningNameServer,
  startNameServer,
} from "./main.ts";
