export {
  type NameServerConfig,
  type NameServerConfigInput,
  nameServerConfigSchema,
  parseNameServerConfig,
} from "./config.ts";
export { type NameServer, type NameServerOptions, openNameServer } from "./main.ts";
