import { type MemberWorld, type NameServerConfig, type OpenMember, openMember } from "@saturnmq/nameserver/testing";
import type { LogStoreOptions } from "@saturnmq/store";
import type { Program } from "./machine.ts";
import { simulatedRpc } from "./rpc-client.ts";
import { simulatedServe } from "./rpc-server.ts";
import { type Watcher, watchedDriver } from "./watched-driver.ts";

/** A name server as its process wires it, but for HTTP. @param opened told of the open member, and of its end */
export function nameServerProgram(
  config: NameServerConfig,
  storeOptions: Partial<LogStoreOptions>,
  opened: (member: OpenMember | undefined) => void,
  watch: Watcher,
): Program {
  return async ({ process, disk, net, random, logger, fatal }, stack) => {
    process.onEnd(() => opened(undefined));
    const hex = (bytes: number): string =>
      Array.from({ length: bytes }, () => random.below(256).toString(16).padStart(2, "0")).join("");
    const rpc = simulatedRpc(net, process);
    const world: MemberWorld = {
      ...{ config, logger, fatal, disk, net, rpc, random, storeOptions },
      ...{ clock: process, timers: process, turn: process },
      serve: simulatedServe(net, process, fatal),
      secret: (length) => Uint8Array.from({ length }, () => random.below(256)),
      newClusterId: () => hex(16),
      createDriver: watchedDriver("metadata", process, watch),
    };
    const ending = new AbortController();
    const member = await openMember(world, stack, new AbortController().signal, ending.signal);
    stack.defer(() => ending.abort());
    // Node keeps composed signals until they abort, and with them all that listens.
    process.onEnd(() => ending.abort());
    opened(member);
  };
}
