import {
  type AdminGroup,
  type AdminMethods,
  adminGroup,
  type ClusterMethod,
  type NameServerDescription,
} from "@saturnmq/wire";
import {
  checkTransfer,
  decideCancelDrain,
  decideDrain,
  decideForget,
  decideTransferLeaders,
  restartSafety,
} from "./domain/broker-verbs.ts";
import { describeCluster } from "./domain/describe.ts";
import { decideRaiseFeatureLevel } from "./domain/feature-level.ts";
import { decideResetGroup } from "./domain/group-reset.ts";
import { decideAddNameServer, decideRemoveNameServer, type GroupNow, groupOf } from "./domain/name-servers.ts";
import type { Presence } from "./domain/presence.ts";
import type { Decision } from "./domain/records.ts";
import { decideRecoverShard } from "./domain/recovery.ts";
import { decideUpdateSettings } from "./domain/settings.ts";
import type { MetadataState } from "./domain/state.ts";

type Room = {
  readonly state: MetadataState;
  readonly presence: Presence;
  readonly nameServers: readonly NameServerDescription[];
  readonly group: GroupNow;
  readonly wallMs: number;
  readonly monoMs: number;
};

/** One verb of `saturnmq.v1.Admin`: what it decides over the applied state. Refuses with `SaturnError`. */
export type AdminVerb<Method extends ClusterMethod> = (
  room: Room,
  request: AdminMethods[Method]["request"],
) => Decision<AdminMethods[Method]["reply"]>;

/** The verbs that name servers decide. */
export const adminVerbs: { readonly [Method in ClusterMethod]: AdminVerb<Method> } = {
  DescribeCluster: ({ state, presence, nameServers, group }) => {
    const nextNameServer = groupOf(state, group.configured).highestId + 1;
    return asked({ ...describeCluster(state, presence, nameServers), nextNameServer });
  },
  ResetGroup: ({ state, wallMs }, request): Decision<AdminGroup> => {
    const { records, reply } = decideResetGroup(state, request, wallMs);
    return { records, reply: adminGroup(reply) };
  },
  DrainBroker: ({ state }, request) => done(decideDrain(state, request)),
  CancelDrain: ({ state }, request) => done(decideCancelDrain(state, request)),
  RestartSafety: ({ state, presence, monoMs }, { broker }) => asked(restartSafety(state, presence, broker, monoMs)),
  TransferLeaders: ({ state }, request) => done(decideTransferLeaders(state, request)),
  ForgetBroker: ({ state }, request) => done(decideForget(state, request)),
  TransferShard: ({ state, presence, monoMs }, { shard, to }) => {
    const { from } = checkTransfer(state, shard, to);
    if (from !== to) presence.ask([{ shard, from, to }], monoMs);
    return asked({});
  },
  RecoverShard: ({ state, presence }, request) => decideRecoverShard(state, presence, request),
  UpdateSettings: ({ state }, request) => decideUpdateSettings(state, request),
  RaiseFeatureLevel: ({ state, nameServers }, request) => done(decideRaiseFeatureLevel(state, request, nameServers)),
  AddNameServer: ({ state, group }, request) => done(decideAddNameServer(state, request, group)),
  RemoveNameServer: ({ state, group }, request) => done(decideRemoveNameServer(state, request, group)),
};

/** The answer to a question: nothing is changed. */
function asked<Reply>(reply: Reply): Decision<Reply> {
  return { records: [], reply };
}

function done({ records }: Decision<undefined>): Decision<Record<string, never>> {
  return { records, reply: {} };
}
