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
  /** Environment by which processes in pods find the API server. */
  readonly apiServer: Readonly<Record<string, string>>;
  /** What an informer needs beside path and callback. */
  readonly informing: ReturnType<typeof informing>;
  /** Writes a line to the log of the run. */
  readonly note: (text: string) => void;
};

/** As up.sh starts it. */
const apiServerPort = 16_443;

export function openMachine(
  client: ApiClient,
  folder: string,
  hostsFile: string,
  podsApiPort = apiServerPort,
): Machine {
  const note = (text: string): void => appendFileSync(`${folder}/machine.log`, `${new Date().toISOString()} ${text}\n`);
  const apiServer = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(podsApiPort) };
  return { client, folder, hostsFile, apiServer, note, informing: informing(client) };
}

function informing(client: ApiClient) {
  const random = new SeededRandom(process.pid);
  return { client, random, clock: systemClock(), timers: systemTimers(), logger: silentLogger, resyncMs: 3_600_000 };
}

/** RFC 3339 without fractions, as statuses carry it. */
export function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, "Z");
}
