export { type NameServer, type NameServerOptions, openNameServer } from "./main.ts";
