import { type BrokerConfig, type OpenBroker, openBroker, openClusterMetadata } from "@saturnmq/broker/testing";
import type { LogStoreOptions } from "@saturnmq/store";
import type { Program } from "./machine.ts";
import { simulatedRpc } from "./rpc-client.ts";
import { type Watcher, watchedDriver } from "./watched-driver.ts";

/** A broker as its process wires it, but for its clients' ports. @param opened told of the open broker, and of its end */
export function brokerProgram(
  config: BrokerConfig,
  storeOptions: Partial<LogStoreOptions>,
  isPresent: (clientId: string) => boolean,
  opened: (broker: OpenBroker | undefined) => void,
  watch: Watcher,
): Program {
  return async ({ process, disk, net, random, logger, fatal }, stack) => {
    process.onEnd(() => opened(undefined));
    const common = { config, disk, net, random, logger, fatal, clock: process, timers: process, turn: process };
    const cluster = await openClusterMetadata({ ...common, rpc: simulatedRpc(net, process) }, stack);
    const addresses = { client: `${config.host}:${config.grpcPort}`, peer: `${config.host}:${config.peerPort}` };
    const world = {
      ...common,
      ...cluster,
      addresses,
      storeOptions,
      // What a minute's work leaves to fill in takes a while then, in which all else happens.
      settings: { fillingBytes: 1_024 },
      createDriver: watchedDriver("shard", process, watch),
    };
    opened(await openBroker(world, isPresent, stack));
  };
}
