import { describe, type Handling } from "./check-deliveries.ts";
import type { Findings } from "./findings.ts";
import { type Delivery, type History, listOf, nameOf } from "./history.ts";
import type { Places } from "./places.ts";

/**
 * Order within a message group (reliability invariant 5): a message is handed out when every earlier one of its group is done, or in the same receive
 * behind it.
 */
export function checkGroupOrder(
  history: History,
  handlings: readonly Handling[],
  places: Places,
  findings: Findings,
): void {
  const groups = new Map<string, Handling[]>();
  for (const handling of handlings) {
    const messageGroup = messageGroupOf(handling, places);
    if (messageGroup !== undefined)
      listOf(groups, JSON.stringify([handling.consumerGroup, messageGroup])).push(handling);
  }
  for (const [key, delivered] of groups) {
    const [consumerGroup = "", messageGroup = ""] = JSON.parse(key) as string[];
    const waiting = history.drained.includes(consumerGroup) ? unhandled(messageGroup, delivered, history, places) : [];
    checkOneGroup(
      messageGroup,
      delivered.filter((handling) => !isExpired(handling, history)),
      waiting,
      findings,
    );
  }
}

function checkOneGroup(
  messageGroup: string,
  delivered: readonly Handling[],
  neverDelivered: readonly number[],
  findings: Findings,
): void {
  const inOrder = delivered.toSorted((a, b) => offsetOf(a) - offsetOf(b));
  let allDoneMs = Number.NEGATIVE_INFINITY;
  for (const [at, handling] of inOrder.entries()) {
    const first = handling.deliveries[0];
    if (first === undefined) continue;
    const ahead = neverDelivered.find((offset) => offset < first.offset);
    if (ahead !== undefined)
      findings.add("groupOrder", `${describe(first)} of ${messageGroup} came, ${ahead} before it never`);
    for (const delivery of allDoneMs > first.receivedMs ? handling.deliveries : []) {
      const open = inOrder.slice(0, at).find((other) => !isDoneFor(other, delivery));
      if (open === undefined) continue;
      const detail = `${describe(delivery)} of ${messageGroup} came before offset ${offsetOf(open)} was done`;
      findings.add("groupOrder", detail);
      break;
    }
    allDoneMs = Math.max(allDoneMs, doneMs(handling));
  }
}

/** What expired holds nobody up, whether it was done or not; nobody knows since when. */
function isExpired({ deliveries }: Handling, { expired }: History): boolean {
  return deliveries.some(({ queue, offset }) => queue !== undefined && offset < (expired.get(queue) ?? 0));
}

/** Whether `delivery` could be handed out as far as an earlier message of its group is concerned. */
function isDoneFor(earlier: Handling, delivery: Delivery): boolean {
  if (doneMs(earlier) <= delivery.receivedMs) return true;
  return earlier.deliveries.some(
    ({ receive, position }) => receive === delivery.receive && position < delivery.position,
  );
}

/** The earliest moment at which it can have been done. */
function doneMs({ settlements }: Handling): number {
  const done = settlements.filter(({ kind, outcome }) => kind !== "release" && outcome !== "fail");
  return Math.min(Number.POSITIVE_INFINITY, ...done.map(({ invokedMs }) => invokedMs));
}

/** Offsets of the group's messages that are there and were never delivered. */
function unhandled(messageGroup: string, delivered: readonly Handling[], { sends }: History, places: Places): number[] {
  const handled = new Set(delivered.map(offsetOf));
  const ofGroup = sends.filter((send) => send.messageGroup === messageGroup);
  const offsets = ofGroup.flatMap((send) => places.of.get(nameOf(send))?.map(({ offset }) => offset) ?? []);
  return offsets.filter((offset) => !handled.has(offset));
}

function messageGroupOf({ deliveries }: Handling, { sends }: Places): string | undefined {
  const content = deliveries[0]?.content;
  return content?.kind === "message" ? sends.get(nameOf(content))?.messageGroup : undefined;
}

function offsetOf({ deliveries }: Handling): number {
  return deliveries[0]?.offset ?? -1;
}
