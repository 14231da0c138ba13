/**
 * Types of conditions and the reasons that each may have: closed lists, part of the API, and the source of their table in
 * docs/custom-resources.md. Of a type, `True`, `False` and `Unknown` never share a reason.
 */
export const reasons = {
  Ready: {
    AllReady: "Every member is ready and as `spec` wants it.",
    Hibernated: "`replicas` is 0: there are no pods, the claims are kept.",
    Exists: "It is in the cluster and as `spec` wants it.",
    MembersNotReady: "Not every member is ready; the message names them.",
    Starting: "The members have not all started yet.",
    WaitingForBroker: "The Broker that it names does not exist, or its cluster is not ready.",
    NameTaken: "An older object declares the same name; that one counts.",
    Drifted: "What is in the cluster differs in a way that cannot be changed; the message says how.",
    Refused: "The cluster refuses it; the message says why.",
  },
  Progressing: {
    Moving: "A step towards `spec` is being made; the message names it.",
    Settled: "Nothing is left to do.",
    Paused: "`paused` is true: nothing is changed.",
    Blocked: "The next step waits for something; the message says for what.",
    WaitingForNameServer: "The NameServer that it names does not exist, or does not answer.",
    WaitingForFirstBroker:
      "No Broker names this NameServer yet: shards and replication factor of a new cluster are given there.",
  },
  Degraded: {
    AsWanted: "Nothing is broken.",
    MemberLost: "A member is down or has lost its disk.",
    ClaimLost: "A name server's claim is gone: it must not start empty under its old id.",
  },
  Scaling: {
    Stable: "There are as many members as wanted.",
    ScalingOut: "Members are being added.",
    ScalingIn: "A member is being emptied and will then be removed.",
    BelowReplicationFactor:
      "Fewer brokers are asked for than there are copies of a message: the set stops at the replication factor.",
  },
  Upgrading: {
    UpToDate: "Every pod is as `spec` wants it.",
    Rolling: "Pods are being replaced, one after the other.",
    NewPodNotReady: "A replaced pod does not get ready: no other is touched until it does, or `spec` changes.",
    NotSafe: "Restarting the next member would stop some shard; it waits.",
    WaitingForDeletion: "`updateStrategy` is OnDelete: outdated pods stay until somebody deletes them.",
  },
  ZoneSpread: {
    Spread: "No zone has two members more than another.",
    Uneven: "A zone has two members or more than another.",
    OneZone: "All members are in one zone: its loss stops the cluster.",
    ZonesUnknown: "Nodes have no zone label, or no pod is placed yet.",
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type ConditionType = keyof typeof reasons;
export type ReasonOf<Type extends ConditionType> = keyof (typeof reasons)[Type] & string;
