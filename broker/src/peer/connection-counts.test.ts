import { expect, test } from "@jest/globals";
import { ConnectionCounts } from "./connection-counts.ts";

test("brokers hear of each other's counts, until the link ends, and only of changes", () => {
  const sent: [string, Uint8Array | undefined][] = [];
  const one = new ConnectionCounts((_, key, value) => sent.push([key, value]));
  const other = new ConnectionCounts(() => undefined);
  for (const count of [0, 70_000, 70_000]) one.tell(count);
  expect(sent).toHaveLength(2);
  for (const [key, value] of sent) expect(other.peerState(1, key, value)).toBe(true);
  expect([...other.others]).toEqual([[1, 70_000]]);
  other.gone(1);
  expect(other.others.size).toBe(0);
});

test("what is about something else, or cannot be read, counts for nothing", () => {
  const counts = new ConnectionCounts(() => undefined);
  expect(counts.peerState(1, "led", new Uint8Array(4))).toBe(false);
  counts.peerState(1, "connections", new Uint8Array(4));
  counts.peerState(1, "connections", new Uint8Array(3));
  expect(counts.others.size).toBe(0);
});
