/** What a simulation of whole clusters needs of a broker: its wiring without its clients' ports. */
export { openClusterMetadata } from "../cluster-metadata.ts";
export { type BrokerConfig, parseBrokerConfig } from "../config.ts";
export type { DataPlane } from "../data-plane-api.ts";
export { everything } from "../domain/filter.ts";
export type { Delivery, OutgoingMessage, PeekedMessage } from "../messaging.ts";
export { type OpenBroker, openBroker } from "../open-broker.ts";
export { receive } from "./receive.ts";
