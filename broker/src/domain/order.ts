import { tagHash } from "./tag-hash.ts";

/** Slots that message groups are spread over; each belongs to one queue of its topic for ever (design 2). */
const groupSlots = 1_024;

const utf8 = new TextEncoder();

/** What holds a message group together in its queue: a hash of it, 1 to 2^32 - 1. Two groups of one hash wait for each other, no more. */
export function lockOf(messageGroup: string): number {
  return tagHash(utf8.encode(messageGroup)) || 1;
}

/** The lock of a message without group in an ordered group's hands: one of its own. */
export function ownLock(offset: number): number {
  return (Math.imul(offset >>> 0, 0x9e3779b1) ^ Math.floor(offset / 4_294_967_296)) >>> 0 || 1;
}

/** The queue of a message group. @param queues of the topic when it was made */
export function queueOfGroup(messageGroup: string, queues: number): number {
  return (lockOf(messageGroup) % groupSlots) % queues;
}

/** A receive, as its leases remember it: a hash of its client and attempt, below 2^53; 0 for a receive that names no attempt. */
export function holderOf(clientId: string, attemptId: string): number {
  if (attemptId === "") return 0;
  const high = tagHash(utf8.encode(`${clientId}\n${attemptId}`));
  const low = tagHash(utf8.encode(`${attemptId}\n${clientId}`)) & 0x1f_ffff;
  return high * 0x20_0000 + low || 1;
}
