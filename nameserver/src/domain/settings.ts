import { SaturnError } from "@saturnmq/kit";
import type { ClusterSettings } from "@saturnmq/wire";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { RaiseFeatureLevel, UpdateSettings } from "./requests.ts";
import type { MetadataState } from "./state.ts";

/** What each setting may be, whole numbers, both ends included. */
export const settingBounds = {
  brokerLeaseMs: { least: 1_000, most: 60_000 },
  replacementGraceMs: { least: 0, most: 86_400_000 },
  moveBudget: { least: 1, most: 1_024 },
  transferBudget: { least: 1, most: 1_024 },
} as const satisfies Record<keyof ClusterSettings, { least: number; most: number }>;

const names = Object.keys(settingBounds) as (keyof ClusterSettings)[];

/** Changes what is given and leaves the rest. @throws {SaturnError} `BAD_REQUEST` that names a setting out of its bounds */
export function decideUpdateSettings(state: MetadataState, request: UpdateSettings): Decision<ClusterSettings> {
  const { requestId } = request;
  const earlier = finishedBefore(state, requestId, "updateSettings");
  if (earlier?.settings !== undefined) return { records: [], reply: earlier.settings };
  const settings = Object.fromEntries(names.map((name) => [name, request[name] ?? state.settings[name]]));
  const changed = settings as ClusterSettings;
  for (const name of names) checkSetting(name, changed[name]);
  return { records: [{ kind: "settingsChanged", requestId, settings: changed }], reply: changed };
}

function checkSetting(name: keyof ClusterSettings, value: number): void {
  const { least, most } = settingBounds[name];
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new SaturnError("BAD_REQUEST", `${name} must be ${least} to ${most}, not ${value}`);
}

/**
 * Raises the cluster's feature level once all members know it. It never falls.
 *
 * @param nameServers highest level that each name server's program knows, by member id
 * @throws {SaturnError} `BAD_REQUEST` below the present one; `FAILED_PRECONDITION` that names who does not know it
 */
export function decideRaiseFeatureLevel(
  state: MetadataState,
  { requestId, level }: RaiseFeatureLevel,
  nameServers: ReadonlyMap<number, number>,
): Decision<undefined> {
  if (finishedBefore(state, requestId, `raiseFeatureLevel ${level}`) !== undefined)
    return { records: [], reply: undefined };
  if (!Number.isInteger(level) || level < state.featureLevel) {
    throw new SaturnError(
      "BAD_REQUEST",
      `the feature level is ${state.featureLevel} and never falls: ${level} cannot be`,
    );
  }
  const brokers = [...state.brokers.values()].filter(({ removed, featureLevel }) => !removed && featureLevel < level);
  const servers = [...nameServers].filter(([, known]) => known < level);
  const behind = [
    ...servers.map(([id, known]) => `name server ${id} knows ${known}`),
    ...brokers.map(({ id, featureLevel }) => `broker ${id} knows ${featureLevel}`),
  ];
  if (behind.length > 0) {
    throw new SaturnError(
      "FAILED_PRECONDITION",
      `not all members know feature level ${level}: ${behind.slice(0, 10).join(", ")}; upgrade or forget them first`,
    );
  }
  return { records: [{ kind: "featureLevelRaised", requestId, level }], reply: undefined };
}
