import type { Clock, Logger, Timers } from "@saturnmq/kit";
import type { BrokerConfig } from "../../config.ts";
import type { Messaging } from "../../messaging.ts";
import type { Sessions } from "./sessions.ts";
import type { Stopping } from "./stopping.ts";

/** What the handlers of `apache.rocketmq.v2` work with. */
export type Room = {
  readonly messaging: Messaging;
  readonly sessions: Sessions;
  readonly limits: BrokerConfig["limits"];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  /** Waiting receives answer at once and telemetry streams end when the broker begins to stop. */
  readonly stopping: Stopping;
  /** Port to name when a client does not say by which one it came. */
  readonly ownPort: () => number;
  /** Host and port of this broker, as delivered messages name the place that stored them. */
  readonly storeHost: () => string;
  /** Told of each finished call: its name, the status code of its answer, and how long it took. */
  readonly observe: (rpc: string, code: number, tookMs: number) => void;
};
