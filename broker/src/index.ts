export { type BrokerConfig, type BrokerConfigInput, brokerConfigSchema, parseBrokerConfig } from "./config.ts";
export { type BrokerDeps, type RunningBroker, startBroker } from "./main.ts";
