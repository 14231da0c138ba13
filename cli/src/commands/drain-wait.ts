import { setTimeout as pause } from "node:timers/promises";
import type { AdminMethods } from "@saturnmq/wire";
import type { AdminClient } from "../client/admin-client.ts";
import { CliError, exitCodes, isPassing } from "../exit-codes.ts";
import type { Io } from "../io.ts";

const lookEveryMs = 1_000;

type Description = AdminMethods["DescribeCluster"]["reply"];

/**
 * Resolves when a broker that is being drained holds nothing. What is left is told on standard error whenever it changes; a cluster that does not
 * answer for the moment is asked again.
 *
 * @throws {CliError} when the drain is taken back meanwhile, or at Ctrl-C: the drain goes on then
 */
export async function untilEmpty(io: Io, admin: AdminClient, broker: number): Promise<void> {
  let told = "";
  while (!io.interrupted.aborted) {
    const left = await look(admin, broker, io.interrupted);
    if (left === "nothing") return;
    if (left !== undefined && left !== told) io.stderr.write(`saturnmq: broker ${broker} still holds ${left}\n`);
    told = left ?? told;
    await pause(lookEveryMs, undefined, { signal: io.interrupted }).catch(() => undefined);
  }
  throw new CliError(exitCodes.interrupted, `interrupted: the drain of broker ${broker} goes on`);
}

/** What the broker still holds, in words; `undefined`: nobody can say now. */
async function look(admin: AdminClient, broker: number, signal: AbortSignal): Promise<string | undefined> {
  try {
    return heldBy(await admin.call("DescribeCluster", {}, signal), broker);
  } catch (error) {
    if (isPassing(error) || signal.aborted) return undefined;
    throw error;
  }
}

function heldBy({ stale, brokers }: Description, id: number): string | undefined {
  if (stale) return undefined;
  const broker = brokers.find((candidate) => candidate.id === id);
  if (broker?.draining !== true)
    throw new CliError(
      exitCodes.failure,
      `broker ${id} is not being drained any more: somebody took it back or forgot it`,
    );
  const { replicas, leads } = broker;
  return replicas === 0 && leads === 0 ? "nothing" : `${replicas} replicas and leads ${leads} shards`;
}
