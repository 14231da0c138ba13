import { setTimeout as pause } from "node:timers/promises";
import type { AdminMethods } from "@saturnmq/wire";
import type { AdminClient } from "../client/admin-client.ts";
import { CliError, exitCodes, isPassing } from "../exit-codes.ts";
import type { Io } from "../io.ts";

const lookEveryMs = 1_000;

type Description = AdminMethods["DescribeCluster"]["reply"];

export type Awaited = {
  /** What is still to come, in words; `undefined`: nothing. */
  readonly left: (cluster: Description) => string | undefined;
  /** What goes on when the waiting is interrupted, in words. */
  readonly goesOn: string;
};

/**
 * Resolves when a change of the cluster is through. What is left is told on standard error whenever it changes; a cluster that does not answer for the moment
 * is asked again.
 *
 * @throws {CliError} what `left` throws, or at Ctrl-C
 */
export async function untilThrough(io: Io, admin: AdminClient, { left, goesOn }: Awaited): Promise<void> {
  let told = "";
  while (!io.interrupted.aborted) {
    const cluster = await look(admin, io.interrupted);
    const now = cluster === undefined ? told : left(cluster);
    if (now === undefined) return;
    if (now !== told) io.stderr.write(`saturnmq: ${now}\n`);
    told = now;
    await pause(lookEveryMs, undefined, { signal: io.interrupted }).catch(() => undefined);
  }
  throw new CliError(exitCodes.interrupted, `interrupted: ${goesOn}`);
}

/** `undefined`: nobody can say now. */
async function look(admin: AdminClient, signal: AbortSignal): Promise<Description | undefined> {
  try {
    const cluster = await admin.call("DescribeCluster", {}, signal);
    return cluster.stale ? undefined : cluster;
  } catch (error) {
    if (isPassing(error) || signal.aborted) return undefined;
    throw error;
  }
}
