import { SaturnError } from "@saturnmq/kit";
import type { FeatureLevel, NameServerDescription } from "@saturnmq/wire";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { RaiseFeatureLevel } from "./requests.ts";
import type { MetadataState } from "./state.ts";

/** Most members that a message names. */
const namedMax = 10;

type KnownBy = Pick<NameServerDescription, "id" | "featureLevel">;

/**
 * Raises the cluster's feature level once all members know it. It never falls.
 *
 * @throws {SaturnError} `BAD_REQUEST` below the present one; `FAILED_PRECONDITION` that names who does not know it
 */
export function decideRaiseFeatureLevel(
  state: MetadataState,
  { requestId, level }: RaiseFeatureLevel,
  nameServers: readonly KnownBy[],
): Decision<undefined> {
  if (finishedBefore(state, requestId, `raiseFeatureLevel ${level}`) !== undefined)
    return { records: [], reply: undefined };
  if (!Number.isInteger(level) || level < state.featureLevel) {
    throw new SaturnError(
      "BAD_REQUEST",
      `the feature level is ${state.featureLevel} and never falls: ${level} cannot be`,
    );
  }
  const behind = [
    ...nameServers.filter(({ featureLevel }) => featureLevel < level).map((server) => knowledge("name server", server)),
    ...brokersOf(state)
      .filter(({ featureLevel }) => featureLevel < level)
      .map((broker) => knowledge("broker", broker)),
  ];
  if (behind.length > 0) {
    const more = behind.length > namedMax ? ` and ${behind.length - namedMax} more` : "";
    throw new SaturnError(
      "FAILED_PRECONDITION",
      `not all members know feature level ${level}: ${behind.slice(0, namedMax).join(", ")}${more}; start newer versions of them, or forget brokers that are gone`,
    );
  }
  return { records: [{ kind: "featureLevelRaised", requestId, level }], reply: undefined };
}

/** Highest level that all members know: the cluster can be raised to it. */
export function readyLevel(state: MetadataState, nameServers: readonly KnownBy[]): number {
  const known = [...nameServers, ...brokersOf(state)].map(({ featureLevel }) => featureLevel);
  return Math.max(state.featureLevel, Math.min(...known));
}

/** @throws {SaturnError} `FAILED_PRECONDITION` while the cluster stands below `level` */
export function checkLevel({ featureLevel }: MetadataState, level: FeatureLevel, what: string): void {
  if (featureLevel >= level) return;
  throw new SaturnError(
    "FAILED_PRECONDITION",
    `${what} needs feature level ${level}, the cluster stands on ${featureLevel}: raise it with 'saturnmq cluster upgrade' once all members know it`,
  );
}

function brokersOf({ brokers }: MetadataState): readonly KnownBy[] {
  return [...brokers.values()].filter(({ removed }) => !removed);
}

function knowledge(kind: string, { id, featureLevel }: KnownBy): string {
  return featureLevel === 0 ? `${kind} ${id} was not heard yet` : `${kind} ${id} knows ${featureLevel}`;
}
