import { setTimeout as sleep } from "node:timers/promises";
import { type Address, RpcClient } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";

/** Between attempts to connect, milliseconds. */
const pauseMs = 50;

/**
 * Keeps a connection to one of the endpoints: when it is lost, the next endpoint's turn comes. `use` is called with each and ends when it is of no use
 * any more. Ends when `signal` aborts.
 *
 * @param first of the endpoints
 */
export async function keepConnected(
  endpoints: readonly Address[],
  first: number,
  signal: AbortSignal,
  use: (client: RpcClient) => Promise<void>,
): Promise<void> {
  for (let attempt = first; !signal.aborted; attempt += 1) {
    const address = defined(endpoints[attempt % endpoints.length], "endpoint");
    const client = await RpcClient.open(address).catch(() => undefined);
    if (client !== undefined) {
      try {
        await use(client);
      } finally {
        client.close();
      }
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
