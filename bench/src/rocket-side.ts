import type { Side } from "./compare.ts";
import type { Address } from "./generator/rpc-client.ts";
import type { ServerProcesses } from "./measure.ts";
import { measureSend } from "./send-bench.ts";

const connectionsMax = 4;

/** A RocketMQ 5 server under a closed loop of SendMessage calls, as one side of a comparison. */
export function rocketSide(
  name: string,
  durability: string,
  address: Address,
  server: ServerProcesses,
  topic: string,
): Side {
  return {
    name,
    durability,
    measure: ({ inFlight, bodyBytes }, span) => {
      const connections = Math.min(connectionsMax, inFlight);
      return measureSend(address, server, { topic, bodyBytes, batch: 1, connections, inFlight }, span);
    },
  };
}
