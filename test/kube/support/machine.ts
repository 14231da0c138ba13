import { appendFileSync } from "node:fs";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import type { ApiClient } from "@saturnmq/operator/kube";

/** What the parts of a cluster of processes share. */
export type Machine = {
  readonly client: ApiClient;
  /** Of pods' files, volumes and logs. */
  readonly folder: string;
  /** Bound over /etc/hosts in the mount namespace of this program. */
  readonly hostsFile: string;
  /** What an informer needs beside path and callback. */
  readonly informing: ReturnType<typeof informing>;
  /** Writes a line to the log of the run. */
  readonly note: (text: string) => void;
};

export function openMachine(client: ApiClient, folder: string, hostsFile: string): Machine {
  const note = (text: string): void => appendFileSync(`${folder}/machine.log`, `${new Date().toISOString()} ${text}\n`);
  return { client, folder, hostsFile, note, informing: informing(client) };
}

function informing(client: ApiClient) {
  const random = new SeededRandom(process.pid);
  return { client, random, clock: systemClock(), timers: systemTimers(), logger: silentLogger, resyncMs: 3_600_000 };
}

/** RFC 3339 without fractions, as statuses carry it. */
export function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, "Z");
}
