import type { Side } from "../src/compare.ts";
import { measure, type ServerProcesses } from "../src/measure.ts";
import { newSendCounters, shares, startedTogether, stopAll } from "../src/send-bench.ts";
import { PipelinedLoad, type SendProtocol } from "./pipelined-load.ts";

/** A broker that speaks its own protocol. */
export type NativePeer = AsyncDisposable & {
  readonly name: string;
  readonly durability: string;
  readonly port: number;
  readonly processes: ServerProcesses;
  /** A new connection's, for bodies of this size. */
  readonly protocol: (bodyBytes: number) => SendProtocol;
};

const connectionsMax = 4;

/** The peer under the same closed loop as everybody. */
export function nativeSide({ name, durability, port, processes, protocol }: NativePeer): Side {
  return {
    name,
    durability,
    measure: async ({ inFlight, bodyBytes }, span) => {
      const counters = newSendCounters();
      const starts = shares(inFlight, Math.min(connectionsMax, inFlight)).map((share) =>
        PipelinedLoad.start(port, protocol(bodyBytes), share, counters),
      );
      const loads = await startedTogether(starts);
      const figures = await measure(processes, span, counters, () => counters.ok);
      await stopAll(loads);
      return figures;
    },
  };
}
