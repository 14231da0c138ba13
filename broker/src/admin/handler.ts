import type { AdminMethod, AdminMethods, ClusterView, MetadataService } from "@saturnmq/wire";
import type { Messaging } from "../messaging.ts";

/** What the handlers of `saturnmq.v1.Admin` work with. */
export type AdminRoom = {
  readonly messaging: Messaging;
  readonly metadata: MetadataService;
  /** The cluster as last watched. @throws {SaturnError} `HA_NOT_AVAILABLE` before anything was */
  readonly view: () => ClusterView;
};

/** Answers one request. Refuses with `SaturnError`. */
export type AdminHandler<Method extends AdminMethod> = (
  room: AdminRoom,
  request: AdminMethods[Method]["request"],
) => Promise<AdminMethods[Method]["reply"]> | AdminMethods[Method]["reply"];
