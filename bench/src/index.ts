export { type BacklogResult, type BacklogWorkload, measureBacklog } from "./backlog-bench.ts";
export {
  type CompareOptions,
  type ComparePoint,
  type Comparison,
  compare,
  comparisonTable,
  type Side,
} from "./compare.ts";
export { type DeliveryResult, type DeliveryWorkload, measureDelivery } from "./delivery-bench.ts";
export { type DevOptions, DevServer } from "./dev-server.ts";
export { freePort } from "./free-port.ts";
export type { DeliveredMessage, OutgoingFields, SendEntry } from "./generator/messages.ts";
export {
  code,
  decodeSendReply,
  encodeAck,
  encodeReceive,
  encodeSend,
  responseStatus,
} from "./generator/messages.ts";
export { openSession, readDeliveries } from "./generator/receive-load.ts";
export { type Address, type CallEnd, type CallResult, RpcClient } from "./generator/rpc-client.ts";
export { type IdleResult, type IdleWorkload, measureIdle } from "./idle-bench.ts";
export { listenersOn } from "./listener.ts";
export { type MachineFacts, machineFacts } from "./machine.ts";
export type { Figures, ServerProcesses, Span } from "./measure.ts";
export { measureOverload, type OverloadResult, type OverloadWorkload } from "./overload-bench.ts";
export { cliPath, runCli } from "./process/cli.ts";
export { type BrokerLine, ClusterTools, type ShardLine } from "./process/cluster-tools.ts";
export { type Exit, Member, type MemberOptions } from "./process/member.ts";
export { clusterPorts, type Placed, ProcessCluster, type ProcessClusterOptions } from "./process/process-cluster.ts";
export { measureReceive, type ReceiveResult, type ReceiveWorkload } from "./receive-bench.ts";
export { saveResult } from "./results.ts";
export { rocketSide } from "./rocket-side.ts";
export { measureSend, type SendResult, type SendWorkload } from "./send-bench.ts";
export { measureSoak, type SoakResult, type SoakWorkload } from "./soak-bench.ts";
export {
  backlogTable,
  deliveryTable,
  idleTable,
  machineLine,
  overloadTable,
  receiveTable,
  sendTable,
  soakTable,
} from "./tables.ts";
