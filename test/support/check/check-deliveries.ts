import type { Findings } from "./findings.ts";
import { type Delivery, disturbanceWithin, type History, nameOf, placeOf, type Settlement } from "./history.ts";
import type { Places } from "./places.ts";

/** The broker measures leases with its own clock, and answers take their time, milliseconds. */
const clockSlackMs = 50;

/** All that one consumer group did with one stored message. */
export type Handling = {
  readonly consumerGroup: string;
  /** By the time at which they were received. */
  readonly deliveries: readonly Delivery[];
  readonly settlements: readonly Settlement[];
};

/** By consumer group and place. Messages that are corrupted are left out: they are an anomaly already. */
export function handlingsOf({ deliveries, settlements }: History): readonly Handling[] {
  const names = new Map<string, string>();
  const handled = new Map<string, { consumerGroup: string; deliveries: Delivery[]; settlements: Settlement[] }>();
  for (const delivery of deliveries) {
    if (delivery.content.kind !== "message") continue;
    const { consumerGroup, receive, position } = delivery;
    // An offset alone names a message only beside the send: clients that tell no queue.
    const key = `${consumerGroup} ${placeOf(delivery)} ${nameOf(delivery.content)}`;
    names.set(`${receive} ${position}`, key);
    const handling = handled.get(key) ?? { consumerGroup, deliveries: [], settlements: [] };
    handled.set(key, handling);
    handling.deliveries.push(delivery);
  }
  for (const settlement of settlements) {
    const key = names.get(`${settlement.receive} ${settlement.position}`);
    if (key !== undefined) handled.get(key)?.settlements.push(settlement);
  }
  for (const { deliveries: list } of handled.values()) list.sort((a, b) => a.receivedMs - b.receivedMs);
  return [...handled.values()];
}

/** A lease has one holder, what was acknowledged does not come again, and what comes again has a reason (reliability invariants 6 and 7). */
export function checkDeliveries(
  history: History,
  handlings: readonly Handling[],
  places: Places,
  findings: Findings,
): void {
  for (const handling of handlings) {
    for (const [at, later] of handling.deliveries.entries()) {
      if (at > 0) checkRedelivery(handling, at, later, history, findings);
    }
  }
  for (const consumerGroup of history.drained) findUndelivered(consumerGroup, history, places, findings);
}

function checkRedelivery(handling: Handling, at: number, later: Delivery, history: History, findings: Findings): void {
  const earlier = handling.deliveries.slice(0, at);
  const { consumerGroup, settlements } = handling;
  const acked = settlements.find(
    ({ kind, outcome, endedMs }) => kind !== "release" && outcome === "ok" && endedMs < later.invokedMs,
  );
  const told = `${describe(later)} came again to ${consumerGroup}, attempt ${later.attempt}`;
  if (acked !== undefined) {
    findings.add(
      "ackedRedelivered",
      `${told}, ${Math.round(later.invokedMs - acked.endedMs)} ms after its ${acked.kind} was answered OK`,
    );
    return;
  }
  const renewal = settlements.find((one) => isRenewalThatHolds(one, later, settlements));
  if (renewal !== undefined) {
    findings.add(
      "leaseOverlap",
      `${told}, ${Math.round(later.receivedMs - renewal.endedMs)} ms after its lease was renewed for ${renewal.renewedMs} ms`,
    );
    return;
  }
  const holder = earlier.find((one) => mustOverlap(one, later) && !wasReleased(one, later, settlements));
  const before = earlier.at(-1) ?? later;
  const during = disturbanceWithin(history.disturbances, before.invokedMs, later.receivedMs);
  const excuse = (one: Delivery): unknown => disturbanceWithin(history.disturbances, one.invokedMs, later.receivedMs);
  if (holder !== undefined && (history.locked.includes(consumerGroup) || excuse(holder) === undefined)) {
    findings.add("leaseOverlap", `${told}, while the lease of attempt ${holder.attempt} held`);
    return;
  }
  const isAfter = before.receivedMs < later.invokedMs;
  if (isAfter && later.attempt <= before.attempt && during === undefined)
    findings.add("attemptNotRising", `${told} after attempt ${before.attempt}`);
  if (holder !== undefined) findings.explain("redelivery", "the lease was lost with a member");
  else if (wasReleased(before, later, settlements)) findings.explain("redelivery", "it was given back");
  else findings.explain("redelivery", "its lease had run out");
}

/** Whether two leases overlap whenever within its receive each of them began. */
function mustOverlap(one: Delivery, other: Delivery): boolean {
  const endsBefore = (a: Delivery, b: Delivery): boolean => b.receivedMs >= a.invokedMs + a.invisibleMs - clockSlackMs;
  return !endsBefore(one, other) && !endsBefore(other, one);
}

/** Whether a client was told before a delivery was asked for that the lease goes on for longer: that is committed, so whoever leads then must know of it. */
function isRenewalThatHolds(one: Settlement, later: Delivery, settlements: readonly Settlement[]): boolean {
  const { renewedMs = 0, invokedMs, endedMs, outcome } = one;
  if (outcome !== "ok" || endedMs >= later.invokedMs || later.receivedMs >= invokedMs + renewedMs - clockSlackMs)
    return false;
  // Whoever did something else with it meanwhile may have ended it.
  return !settlements.some((other) => other !== one && other.outcome !== "fail" && other.endedMs > invokedMs);
}

function wasReleased(one: Delivery, later: Delivery, settlements: readonly Settlement[]): boolean {
  return settlements.some(
    ({ kind, receive, outcome, invokedMs }) =>
      kind === "release" && receive === one.receive && outcome !== "fail" && invokedMs <= later.receivedMs,
  );
}

function findUndelivered(consumerGroup: string, { deliveries }: History, places: Places, findings: Findings): void {
  const got = new Set<string>();
  for (const { consumerGroup: group, content } of deliveries)
    if (group === consumerGroup && content.kind === "message") got.add(nameOf(content));
  for (const [name, [place]] of places.of) {
    if (place !== undefined && !got.has(name))
      findings.add("undelivered", `${name} at ${placeOf(place)} never came to ${consumerGroup}`);
  }
}

/** A delivery as a text. */
export function describe(delivery: Delivery): string {
  const { content } = delivery;
  return `${content.kind === "message" ? nameOf(content) : content.why} at ${placeOf(delivery)}`;
}
