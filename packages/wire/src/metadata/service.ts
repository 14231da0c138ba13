import type { AdminMethods, ClusterMethod } from "../saturnmq/admin.ts";
import type {
  BrokerRegistration,
  BrokerReport,
  ClusterView,
  CreateGroup,
  CreateTopic,
  GroupInfo,
  HeartbeatReply,
  TopicInfo,
} from "./ports.ts";

/**
 * The name server, as a broker sees it. In the embedded mode the name server's own object; in a cluster a gRPC client.
 *
 * Every method rejects with `SaturnError`; `HA_NOT_AVAILABLE` when no leader answers.
 */
export interface MetadataService {
  /** Announces a broker; answers its id (given at first registration when `brokerId` is 0) and the cluster's. */
  register(broker: BrokerRegistration): Promise<{ readonly brokerId: number; readonly clusterId: string }>;
  /** Renews the broker's lease and tells how it is. */
  heartbeat(brokerId: number, incarnation: number, report: BrokerReport): Promise<HeartbeatReply>;
  /** Calls `changed` with the present view at once and with every later one, in revision order, until `signal` aborts. */
  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void;
  createTopic(request: CreateTopic): Promise<TopicInfo>;
  deleteTopic(request: { readonly requestId: string; readonly name: string }): Promise<void>;
  createGroup(request: CreateGroup): Promise<GroupInfo>;
  deleteGroup(request: { readonly requestId: string; readonly name: string }): Promise<void>;
  /** A call of `saturnmq.v1.Admin` about the cluster, as it came: brokers pass these on. */
  administer<Method extends ClusterMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
  ): Promise<AdminMethods[Method]["reply"]>;
}
