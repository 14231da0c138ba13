import type { AdminMethods } from "@saturnmq/wire";

/** Requests of `saturnmq.v1.Admin` that the domain decides. */
export type RecoverShard = AdminMethods["RecoverShard"]["request"];
export type ResetGroup = AdminMethods["ResetGroup"]["request"];
export type UpdateSettings = AdminMethods["UpdateSettings"]["request"];
export type RaiseFeatureLevel = AdminMethods["RaiseFeatureLevel"]["request"];
export type AddNameServer = AdminMethods["AddNameServer"]["request"];
export type RemoveNameServer = AdminMethods["RemoveNameServer"]["request"];
