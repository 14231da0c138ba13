import { checkDeliveries, handlingsOf } from "./check-deliveries.ts";
import { checkGroupOrder } from "./check-group-order.ts";
import { checkReadings, checkReplicas } from "./check-readings.ts";
import { checkSends } from "./check-sends.ts";
import { Findings } from "./findings.ts";
import type { History } from "./history.ts";
import { placesOf } from "./places.ts";

/** Nothing happened. */
export const emptyHistory: History = {
  ...{ sends: [], readings: [], deliveries: [], settlements: [], replicas: [], drained: [], disturbances: [] },
  ...{ locked: [], expired: new Map<number, number>() },
};

/**
 * Compares what clients were told with what is there (reliability.md, invariants 1 to 7). No anomaly in a history that a correct broker can have
 * given, however many members it lost: what looks like one then is explained, and counted.
 */
export function checkHistory(given: Partial<History>): Findings {
  const history = { ...emptyHistory, ...given };
  const findings = new Findings();
  const places = placesOf(history, findings);
  checkSends(history, places, findings);
  checkReadings(history, places, findings);
  checkReplicas(history, findings);
  const handlings = handlingsOf(history);
  checkDeliveries(history, handlings, places, findings);
  checkGroupOrder(history, handlings, places, findings);
  return findings;
}
