import { placed } from "./shards.ts";
import { defaultSettings } from "./state.ts";

/** The first version of a broker in a checkpoint and of `brokerRegistered`: written before there were name server groups. */
type FirstBroker = {
  readonly id: number;
  readonly incarnation: number;
  readonly zone: string;
  readonly address: string;
  readonly confirmed: boolean;
};
type FirstShard = { readonly shard: number; readonly voters: readonly number[]; readonly leaderHint: number };
type FirstCheckpoint = { readonly brokers: readonly FirstBroker[]; readonly shards: readonly FirstShard[] };

/** The feature level of everything that version 1 wrote. */
const firstLevel = 1;

/** A record's fields as they stand today. */
export function upgradedRecord(kind: string, version: number, fields: object): object {
  if (version !== 1) return fields;
  if (kind === "clusterCreated") return { settings: defaultSettings, featureLevel: firstLevel, ...fields };
  if (kind === "brokerRegistered") return { peerAddress: "", process: "", featureLevel: firstLevel, ...fields };
  // Configurations of that time bear no revision.
  if (kind === "shardsPlaced") return { revision: 0, ...fields };
  return fields;
}

/** A checkpoint's fields as they stand today. */
export function upgradedCheckpoint(version: number, fields: object): object {
  if (version !== 1) return fields;
  const { brokers, shards, ...rest } = fields as FirstCheckpoint;
  return {
    ...rest,
    settings: defaultSettings,
    featureLevel: firstLevel,
    brokers: brokers.map(({ id, incarnation, zone, address, confirmed }) => {
      return { id, incarnation, zone, address, confirmed, ...sinceFirst };
    }),
    shards: shards.map((shard) => placed(shard, 0)),
  };
}

const sinceFirst = {
  ...{ peerAddress: "", process: "", featureLevel: firstLevel },
  ...{ alive: true, draining: false, leadersAway: false, removed: false },
};
