import type { Findings } from "./findings.ts";
import { disturbanceWithin, type History, listOf, nameOf, placeOf, type Send } from "./history.ts";
import type { Place, Places } from "./places.ts";

/** What was acknowledged is there, once, where the acknowledgement said, in the order of its producer (reliability invariants 1 to 4). */
export function checkSends(history: History, places: Places, findings: Findings): void {
  const producers = new Map<number, Send[]>();
  for (const send of history.sends) listOf(producers, send.producer).push(send);
  // Reading went past a lower offset whichever queue it was in.
  const readTo = Math.min(...places.lastOf.values());
  for (const sends of producers.values()) {
    const acknowledged = sends.filter(({ outcome }) => outcome.kind === "ok").sort((a, b) => a.sequence - b.sequence);
    findLost(
      sends.filter((send) => !isExpired(send, places, history)),
      places,
      readTo,
      findings,
    );
    checkOrder(acknowledged, places, findings);
  }
  for (const send of history.sends) {
    const at = places.of.get(nameOf(send));
    if (at === undefined) continue;
    checkMoved(send, at, findings);
    checkDuplicate(send, at, history, findings);
  }
  checkGroupQueues(history, places, findings);
}

/** What was acknowledged, or was delivered although nobody knows how its send ended, is there for whoever reads later. */
function findLost(sends: readonly Send[], places: Places, readTo: number, findings: Findings): void {
  const expected = sends.filter((send) => send.outcome.kind === "ok" || isDelivered(send, places));
  expected.sort((a, b) => a.sequence - b.sequence);
  const isThere = expected.map((send) => places.lasting.has(nameOf(send)));
  const first = isThere.indexOf(true);
  const last = isThere.lastIndexOf(true);
  for (const [at, send] of expected.entries()) {
    if (isThere[at] !== false) continue;
    const where = first < 0 ? "all" : at < first ? "prefix" : at > last ? "postfix" : "middle";
    const seen = places.of.get(nameOf(send));
    const isPast = where === "prefix" || where === "middle" || seen !== undefined || offsetOf(send) < readTo;
    const told =
      seen === undefined ? `acknowledged at offset ${offsetOf(send)}` : `delivered at ${seen.map(placeOf).join()}`;
    findings.add(
      isPast ? "lostWrite" : "unseen",
      `${nameOf(send)} was ${told} and is not there (${where} of its producer's)`,
    );
  }
}

function isExpired(send: Send, places: Places, { expired }: History): boolean {
  const isGone = ({ queue, offset }: Partial<Place>): boolean =>
    queue !== undefined && offset !== undefined && offset < (expired.get(queue) ?? 0);
  if (send.outcome.kind === "ok" && send.outcome.queue !== undefined) return isGone(send.outcome);
  return places.of.get(nameOf(send))?.some(isGone) ?? false;
}

function isDelivered(send: Send, places: Places): boolean {
  return send.outcome.kind === "info" && places.of.has(nameOf(send));
}

function offsetOf({ outcome }: Send): number {
  return outcome.kind === "ok" ? outcome.offset : -1;
}

/** Awaited sends of one producer stand in each queue in the order in which they were sent. Only those whose place their acknowledgement told. */
function checkOrder(acknowledged: readonly Send[], places: Places, findings: Findings): void {
  const lastOf = new Map<number, { readonly offset: number; readonly send: Send }>();
  for (const send of acknowledged) {
    const place = acknowledgedPlace(send, places);
    if (place?.queue === undefined) continue;
    const last = lastOf.get(place.queue);
    if (last !== undefined && place.offset < last.offset) {
      const detail = `${nameOf(send)} is at ${placeOf(place)}, before ${nameOf(last.send)} at ${last.offset}`;
      findings.add("nonmonotonicSend", detail);
    }
    if (last === undefined || place.offset > last.offset) lastOf.set(place.queue, { offset: place.offset, send });
  }
}

/** Where an acknowledged send is; `undefined` when several queues have it at that offset, or none. */
export function acknowledgedPlace({ outcome, ...name }: Send, places: Places): Place | undefined {
  if (outcome.kind !== "ok") return undefined;
  const at = places.of.get(nameOf(name))?.filter(({ offset }) => offset === outcome.offset) ?? [];
  return at.length === 1 ? at[0] : undefined;
}

function checkMoved(send: Send, at: readonly Place[], findings: Findings): void {
  const { outcome } = send;
  if (outcome.kind !== "ok" || at.some(({ offset }) => offset === outcome.offset)) return;
  const seen = at.map(placeOf).join(" and ");
  findings.add("moved", `${nameOf(send)} was acknowledged at offset ${outcome.offset}, and is at ${seen}`);
}

/** Only a client that sent it again can have put a send at two places. */
function checkDuplicate(send: Send, at: readonly Place[], { disturbances }: History, findings: Findings): void {
  if (at.length < 2) return;
  const { repeats = 0, invokedMs, endedMs } = send;
  const during = disturbanceWithin(disturbances, invokedMs, endedMs) === undefined ? "nothing" : "something";
  for (let extra = 1; extra < at.length; extra += 1) {
    if (extra <= repeats) findings.explain("duplicate", `its client sent it again while ${during} was down`);
    else
      findings.add("duplicate", `${nameOf(send)} is at ${at.map(placeOf).join(" and ")}, sent again ${repeats} times`);
  }
}

/** A message group's slot has one queue, for ever. */
function checkGroupQueues({ sends }: History, places: Places, findings: Findings): void {
  const queueOf = new Map<string, number>();
  for (const send of sends) {
    if (send.messageGroup === undefined) continue;
    for (const { queue } of places.of.get(nameOf(send)) ?? []) {
      if (queue === undefined) continue;
      const before = queueOf.get(send.messageGroup) ?? queue;
      queueOf.set(send.messageGroup, before);
      if (before !== queue)
        findings.add("groupOrder", `message group ${send.messageGroup} is in queues ${before} and ${queue}`);
    }
  }
}
