import { SaturnError } from "@saturnmq/kit";
import {
  type AdminCodec,
  type AdminCodecs,
  type AdminMethod,
  type AdminMethods,
  adminGroup,
  adminGroups,
  adminServiceName,
  adminTopic,
  adminTopics,
  type ClusterMethod,
  type ClusterView,
  clusterMethods,
  groupCommand,
  loadAdminCodecs,
  topicCommand,
} from "@saturnmq/wire";
import type { ClusterService } from "../cluster-service.ts";
import type { Method, Service } from "./service.ts";
import { unaryMethod } from "./unary-method.ts";

type Handler<Name extends AdminMethod> = (
  cluster: ClusterService,
  request: AdminMethods[Name]["request"],
) => Promise<AdminMethods[Name]["reply"]>;

/** Topics and groups; beside them and the cluster's verbs all calls are about messages, and only brokers have any. */
type OfNames = "CreateTopic" | "ListTopics" | "DeleteTopic" | "CreateGroup" | "ListGroups" | "DeleteGroup";

const handlers: { readonly [Name in OfNames]: Handler<Name> } = {
  CreateTopic: async (cluster, request) => adminTopic(await cluster.createTopic(topicCommand(request))),
  ListTopics: async (cluster) => ({ topics: adminTopics(await viewOf(cluster)) }),
  DeleteTopic: async (cluster, request) => {
    await cluster.deleteTopic(request);
    return {};
  },
  CreateGroup: async (cluster, request) => adminGroup(await cluster.createGroup(groupCommand(request))),
  ListGroups: async (cluster) => ({ groups: adminGroups(await viewOf(cluster)) }),
  DeleteGroup: async (cluster, request) => {
    await cluster.deleteGroup(request);
    return {};
  },
};

/** `saturnmq.v1.Admin` on a name server: everything but what only brokers can answer. */
export function adminService(cluster: ClusterService): Service {
  const codecs = loadAdminCodecs();
  const methods = new Map<string, Method>();
  for (const name of Object.keys(codecs))
    methods.set(name, { kind: "unary", handle: () => Promise.reject(askBroker(name)) });
  for (const name of Object.keys(handlers) as OfNames[]) methods.set(name, ofNames(name, cluster, codecs));
  for (const name of clusterMethods) methods.set(name, ofCluster(name, cluster, codecs));
  return { name: adminServiceName, methods };
}

// The type parameter holds request and reply of one call together.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
function ofNames<Name extends OfNames>(name: Name, cluster: ClusterService, codecs: AdminCodecs): Method {
  const codec: AdminCodec<Name> = codecs[name];
  const handler: Handler<Name> = handlers[name];
  return unaryMethod(codec, (request) => handler(cluster, request));
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as above
function ofCluster<Name extends ClusterMethod>(name: Name, cluster: ClusterService, codecs: AdminCodecs): Method {
  const codec: AdminCodec<Name> = codecs[name];
  return unaryMethod(codec, (request) => cluster.administer(name, request));
}

function askBroker(method: string): SaturnError {
  return new SaturnError("UNIMPLEMENTED", `a name server has no messages to answer ${method} from: ask any broker`);
}

/** The present view of a name server that leads. @throws {SaturnError} `HA_NOT_AVAILABLE` from one that does not */
async function viewOf(cluster: ClusterService): Promise<ClusterView> {
  // Only a leader answers this: a view that is out of date must not pass for the present one.
  await cluster.administer("DescribeCluster", {});
  const once = new AbortController();
  return new Promise((resolve) => {
    cluster.watch((view) => {
      once.abort();
      resolve(view);
    }, once.signal);
  });
}
