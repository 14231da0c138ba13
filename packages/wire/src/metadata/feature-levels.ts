/**
 * What the members of a cluster may use once it stands on a level, lowest first: each of them knows it then. Older members run beside newer ones
 * until the level is raised, so whatever a member of the level below would not understand (a kind of record, a version of a layout, a call)
 * is used from its level on only. See docs/versions.md.
 */
export const featureLevels = [
  { level: 1, allows: "what the first clusters could do" },
  {
    level: 2,
    allows:
      "recovering a shard that has lost its majority for good; resetting a group on one topic, and showing what a reset would change; changing the members of the name server group",
  },
] as const;

/** A level that this program knows. */
export type FeatureLevel = (typeof featureLevels)[number]["level"];

/** Highest feature level that this program knows. A cluster that stands on a higher one is nothing for it. */
export const featureLevelKnown: FeatureLevel = 2;

/** Why this program must not work on a cluster of this level; `undefined`: it may. */
export function unknownLevel(level: number): string | undefined {
  if (level <= featureLevelKnown) return undefined;
  return `the cluster stands on feature level ${level}, this program knows ${featureLevelKnown}: start a version of SaturnMQ that knows ${level}`;
}
