import { SaturnError } from "@saturnmq/kit";
import {
  type AdminCodec,
  type AdminMethod,
  adminServiceName,
  type ClusterView,
  loadAdminCodecs,
  type MetadataService,
} from "@saturnmq/wire";
import type { Messaging } from "../messaging.ts";
import { describeCluster, passedOn } from "./cluster.ts";
import { createGroup, deleteGroup, describeGroup, listGroups } from "./groups.ts";
import type { AdminHandler, AdminRoom } from "./handler.ts";
import { peekMessage } from "./peek.ts";
import { skipMessage } from "./skip.ts";
import { createTopic, deleteTopic, describeTopic, listTopics } from "./topics.ts";

const handlers: { readonly [Method in AdminMethod]: AdminHandler<Method> } = {
  CreateTopic: createTopic,
  ListTopics: listTopics,
  DescribeTopic: describeTopic,
  DeleteTopic: deleteTopic,
  CreateGroup: createGroup,
  ListGroups: listGroups,
  DescribeGroup: describeGroup,
  DeleteGroup: deleteGroup,
  PeekMessage: peekMessage,
  SkipMessage: skipMessage,
  DescribeCluster: describeCluster,
  ResetGroup: passedOn("ResetGroup"),
  DrainBroker: passedOn("DrainBroker"),
  CancelDrain: passedOn("CancelDrain"),
  RestartSafety: passedOn("RestartSafety"),
  TransferLeaders: passedOn("TransferLeaders"),
  ForgetBroker: passedOn("ForgetBroker"),
  TransferShard: passedOn("TransferShard"),
  RecoverShard: passedOn("RecoverShard"),
  UpdateSettings: passedOn("UpdateSettings"),
  RaiseFeatureLevel: passedOn("RaiseFeatureLevel"),
  AddNameServer: passedOn("AddNameServer"),
  RemoveNameServer: passedOn("RemoveNameServer"),
};

/** A service of unary methods over raw bytes, as the gRPC transport takes it. */
export type AdminService = {
  readonly name: string;
  readonly methods: ReadonlyMap<string, AdminUnary>;
};

type AdminUnary = {
  readonly kind: "unary";
  readonly handle: (bytes: Uint8Array, start: number, length: number) => Promise<Uint8Array>;
};

/**
 * `saturnmq.v1.Admin` for a transport. Watches the metadata until `signal` aborts.
 */
export function adminService(
  { messaging, metadata }: { readonly messaging: Messaging; readonly metadata: MetadataService },
  signal: AbortSignal,
): AdminService {
  let watched: ClusterView | undefined;
  metadata.watch((view) => {
    watched = view;
  }, signal);
  const view = (): ClusterView => {
    if (watched !== undefined) return watched;
    throw new SaturnError("HA_NOT_AVAILABLE", "this broker has not heard from a name server yet: try again");
  };
  const room: AdminRoom = { messaging, metadata, view };
  const codecs = loadAdminCodecs();
  const names = Object.keys(handlers) as AdminMethod[];
  return {
    name: adminServiceName,
    methods: new Map(
      names.map((name) => [name, unary(room, codecs[name], handlers[name] as AdminHandler<AdminMethod>)]),
    ),
  };
}

function unary(room: AdminRoom, codec: AdminCodec<AdminMethod>, handler: AdminHandler<AdminMethod>): AdminUnary {
  return {
    kind: "unary",
    handle: async (bytes, start, length) => {
      const request = codec.decodeRequest(bytes.subarray(start, start + length));
      return codec.encodeReply(await handler(room, request));
    },
  };
}
