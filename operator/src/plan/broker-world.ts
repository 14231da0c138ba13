/** What a broker's pod is like. */
export type Pod = {
  readonly uid: string;
  readonly ready: boolean;
  /** It was told to go, and is not gone yet. */
  readonly terminating: boolean;
  /** It is as the set wants it now. */
  readonly updated: boolean;
  /** Zone of its node; absent while it is not placed, or where nodes have none. */
  readonly zone?: string;
};

/** What a member's claim is like. */
export type Claim = {
  readonly uid: string;
  /** Somebody deleted it; it goes when its pod goes. */
  readonly terminating: boolean;
  /** Its volume is gone. */
  readonly lost: boolean;
  /** The member has left: this data never runs again. */
  readonly retired: boolean;
  readonly requestedBytes: number;
};

/** What the name servers say of a broker that they have not forgotten. */
export type KnownBroker = {
  readonly id: number;
  readonly up: boolean;
  readonly draining: boolean;
  /** It is to lead nothing until it has restarted. */
  readonly leadersAway: boolean;
  /** Shards that it is a member of, or is to be. */
  readonly replicas: number;
  readonly leads: number;
  /** No shard would lose its majority if it stopped now. Absent: not asked. */
  readonly restartSafe?: boolean;
};

/** One place of the set: pod and claim of one name, and the broker that registered from there. */
export type Member = {
  readonly index: number;
  readonly pod?: Pod;
  readonly claim?: Claim;
  readonly broker?: KnownBroker;
};

/** All that the next move of a broker set depends on, as it was found. */
export type BrokerWorld = {
  /** As `spec` says, 0 or more. */
  readonly replicas: number;
  readonly replicationFactor: number;
  readonly paused: boolean;
  readonly rollsByItself: boolean;
  readonly reclaim: "Delete" | "Retain";
  /** Size that each claim should ask for, bytes. */
  readonly claimBytes: number;
  /** False: the name servers did not answer, and no member has a `broker`. */
  readonly clusterKnown: boolean;
  /** By index. */
  readonly members: readonly Member[];
};

/** How many members there should be: never fewer than copies of a message, unless none. */
export function desiredMembers({
  replicas,
  replicationFactor,
}: Pick<BrokerWorld, "replicas" | "replicationFactor">): number {
  return replicas === 0 ? 0 : Math.max(replicas, replicationFactor);
}

/** Members that have data which may still run. */
export function candidatesOf({ members }: BrokerWorld): readonly Member[] {
  return members.filter(({ claim }) => claim !== undefined && !claim.retired && !claim.lost);
}

/** Its claim is going: it must be replaced, and may serve until it is. */
export function isDoomed({ claim }: Member): boolean {
  return claim === undefined || claim.terminating || claim.lost;
}

/** It serves and nothing is being done to it. */
export function isServing({ pod, broker }: Member): boolean {
  const stands = pod !== undefined && pod.ready && !pod.terminating;
  return stands && broker !== undefined && broker.up && !broker.draining && !broker.leadersAway;
}
