export { type DevOptions, DevServer } from "./dev-server.ts";
export { freePort } from "./free-port.ts";
export type { DeliveredMessage, OutgoingFields, SendEntry } from "./generator/messages.ts";
export {
  decodeSendReply,
  encodeAck,
  encodeReceive,
  encodeSend,
  responseStatus,
} from "./generator/messages.ts";
export { openSession, readDeliveries } from "./generator/receive-load.ts";
export { type Address, type CallEnd, type CallResult, RpcClient } from "./generator/rpc-client.ts";
export { type MachineFacts, machineFacts } from "./machine.ts";
export { cliPath, runCli } from "./process/cli.ts";
export { type BrokerLine, ClusterTools, type ShardLine } from "./process/cluster-tools.ts";
export { type Exit, Member, type MemberOptions } from "./process/member.ts";
export { clusterPorts, type Placed, ProcessCluster, type ProcessClusterOptions } from "./process/process-cluster.ts";
