import type { DataPlane } from "@saturnmq/broker/testing";
import { SaturnError } from "@saturnmq/kit";
import type { BrokerNode, SimulatedCluster } from "../world/cluster.ts";

/** What a client knows of a call when it is over. */
export type CallOutcome<Value> =
  | { readonly kind: "reply"; readonly value: Value }
  /** The broker said no. */
  | { readonly kind: "refused"; readonly error: SaturnError }
  /** It reached nobody, provably. */
  | { readonly kind: "unsent" }
  /** Nobody knows what became of it. */
  | { readonly kind: "lost" };

export type Call<Value> = {
  readonly timeoutMs: number;
  readonly invoke: (plane: DataPlane, signal: AbortSignal) => Promise<Value>;
  /** The reply came when the broker knew that its client was gone. */
  readonly late?: (plane: DataPlane, value: Value) => void;
};

/** Calls of clients to brokers: a client's port without gRPC. Both ways take time and may be cut; a connection ends with its broker. */
export class BrokerCalls {
  readonly #cluster: SimulatedCluster;
  readonly #bug: (error: unknown) => void;

  /** @param bug told of errors that no client may get to see */
  constructor(cluster: SimulatedCluster, bug: (error: unknown) => void) {
    this.#cluster = cluster;
    this.#bug = bug;
  }

  to<Value>(client: string, node: BrokerNode, call: Call<Value>): Promise<CallOutcome<Value>> {
    return new Promise((resolve) => {
      this.#begin(client, node, call, resolve);
    });
  }

  #begin<Value>(
    client: string,
    node: BrokerNode,
    { timeoutMs, invoke, late }: Call<Value>,
    resolve: (outcome: CallOutcome<Value>) => void,
  ): void {
    const { queue, network } = this.#cluster;
    const { name } = node.machine;
    const gone = new AbortController();
    let over = false;
    const end = (outcome: CallOutcome<Value>): void => {
      if (over) return;
      over = true;
      resolve(outcome);
    };
    const answer = (outcome: CallOutcome<Value>): void => {
      if (network.reaches(name, client)) queue.after(network.delayMs(), () => end(outcome));
    };
    queue.after(timeoutMs, () => {
      if (over) return;
      end({ kind: "lost" });
      if (network.reaches(client, name)) node.machine.process?.enter(() => gone.abort());
    });
    if (!network.reaches(client, name)) return;
    queue.after(network.delayMs(), () => {
      const { process } = node.machine;
      if (process === undefined || node.broker === undefined) return answer({ kind: "unsent" });
      const { dataPlane } = node.broker;
      process.onEnd(() => answer({ kind: "lost" }));
      process.enter(() => {
        invoke(dataPlane, gone.signal).then(
          (value) => {
            if (process.ended) return;
            if (gone.signal.aborted) late?.(dataPlane, value);
            else answer({ kind: "reply", value });
          },
          (error: unknown) => {
            if (process.ended) return;
            if (!(error instanceof SaturnError)) this.#bug(error);
            else answer({ kind: "refused", error });
          },
        );
      });
    });
  }
}
