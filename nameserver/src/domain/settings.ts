import { SaturnError } from "@saturnmq/kit";
import type { ClusterSettings } from "@saturnmq/wire";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { UpdateSettings } from "./requests.ts";
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
