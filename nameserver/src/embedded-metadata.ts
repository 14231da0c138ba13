import type {
  AdminMethods,
  BrokerRegistration,
  BrokerReport,
  ClusterMethod,
  ClusterView,
  CreateGroup,
  CreateTopic,
  GroupInfo,
  HeartbeatReply,
  MetadataService,
  TopicInfo,
} from "@saturnmq/wire";
import type { ClusterService } from "./cluster-service.ts";

type ByName = { readonly requestId: string; readonly name: string };

/** The name server for the broker in its own process. */
export class EmbeddedMetadata implements MetadataService {
  readonly #cluster: ClusterService;

  constructor(cluster: ClusterService) {
    this.#cluster = cluster;
  }

  register(registration: BrokerRegistration): Promise<{ readonly brokerId: number; readonly clusterId: string }> {
    // The one broker of this process, whatever port it has today: so a first start that was cut short leaves no second one.
    return this.#cluster.register({ ...registration, address: "in-process" });
  }

  heartbeat(brokerId: number, incarnation: number, report: BrokerReport): Promise<HeartbeatReply> {
    return this.#cluster.heartbeat(brokerId, incarnation, report);
  }

  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void {
    this.#cluster.watch(changed, signal);
  }

  createTopic(request: CreateTopic): Promise<TopicInfo> {
    return this.#cluster.createTopic(request);
  }

  deleteTopic(request: ByName): Promise<void> {
    return this.#cluster.deleteTopic(request);
  }

  createGroup(request: CreateGroup): Promise<GroupInfo> {
    return this.#cluster.createGroup(request);
  }

  deleteGroup(request: ByName): Promise<void> {
    return this.#cluster.deleteGroup(request);
  }

  administer<Method extends ClusterMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
  ): Promise<AdminMethods[Method]["reply"]> {
    return this.#cluster.administer(method, request);
  }
}
