import { describe, expect, test } from "@jest/globals";
import type { AppendRequest, Message } from "../core/messages.ts";
import type { Payload } from "../ports.ts";
import { payloadOf } from "../testing/recording-machine.ts";
import { Arrivals } from "./arrivals.ts";
import { configurationPayload } from "./held-payloads.ts";
import type { GroupMessage } from "./messages.ts";

const entryBytes = 100;

/** A log with room for `maxEntryBytes`, whose stage the test empties. */
function setUp(maxEntryBytes = 2_000) {
  const log = { maxEntryBytes, roomBytes: maxEntryBytes };
  const delivered: string[] = [];
  const arrivals = new Arrivals({
    log,
    deliver: (from, { group, message, payloads }) => {
      for (const payload of payloads) log.roomBytes = Math.max(0, log.roomBytes - (payload?.length ?? 0));
      const entries = message.kind === "appendRequest" ? message.entries.map(({ index }) => index).join(",") : "";
      const prev = message.kind === "appendRequest" ? `${message.prevIndex}/${message.prevTerm}: ` : "";
      delivered.push(`${from}>${group} ${message.kind} ${prev}${entries}`);
    },
  });
  const write = (): string[] => {
    log.roomBytes = maxEntryBytes;
    arrivals.roomAgain();
    return delivered.splice(0);
  };
  return { log, arrivals, delivered, write };
}

function append(group: number, prevIndex: number, count: number, bytes = entryBytes): GroupMessage {
  const entries = Array.from({ length: count }, (_, at) => ({ index: prevIndex + 1 + at, term: 1 }));
  const message: AppendRequest = {
    kind: "appendRequest",
    term: 1,
    prevIndex,
    prevTerm: prevIndex === 0 ? 0 : 1,
    entries,
    commit: 0,
    uncounted: false,
  };
  return { kind: "group", group, message, payloads: entries.map(() => payloadOf("x".repeat(bytes))) };
}

function other(group: number): GroupMessage {
  const message: Message = { kind: "timeoutNow", term: 1 };
  return { kind: "group", group, message, payloads: [] };
}

describe("Appends that find no room in the log", () => {
  test("wait for the next write, those of one group in their order, while others pass", () => {
    const { log, arrivals, delivered, write } = setUp();
    log.roomBytes = 150;
    arrivals.take(2, append(1, 0, 1));
    arrivals.take(2, append(1, 1, 1));
    // Small enough, and yet behind what waits for its group.
    arrivals.take(2, append(1, 2, 1, 10));
    arrivals.take(2, append(1, 3, 0));
    arrivals.take(3, append(2, 0, 1, 10));
    arrivals.take(2, other(1));
    expect(delivered.splice(0)).toEqual(["2>1 appendRequest 0/0: 1", "3>2 appendRequest 0/0: 1", "2>1 timeoutNow "]);
    expect(arrivals.bytes).toBe(110);
    expect(write()).toEqual(["2>1 appendRequest 1/1: 2", "2>1 appendRequest 2/1: 3", "2>1 appendRequest 3/1: "]);
    expect(arrivals).toMatchObject({ bytes: 0, waiting: false });
  });

  test("are cut where the room ends", () => {
    const { log, arrivals, delivered, write } = setUp();
    log.roomBytes = 250;
    arrivals.take(2, append(1, 0, 4));
    expect(delivered.splice(0)).toEqual(["2>1 appendRequest 0/0: 1", "2>1 appendRequest 1/1: 2"]);
    expect(write()).toEqual(["2>1 appendRequest 2/1: 3,4"]);
  });

  test("of entries that fill a write each come one a write", () => {
    const { arrivals, delivered, write } = setUp(entryBytes);
    arrivals.take(2, append(1, 0, 3));
    expect(delivered.splice(0)).toEqual(["2>1 appendRequest 0/0: 1"]);
    expect(write()).toEqual(["2>1 appendRequest 1/1: 2"]);
    expect(write()).toEqual(["2>1 appendRequest 2/1: 3"]);
    expect(arrivals.waiting).toBe(false);
  });

  test("wait with 32 MiB at most; what is dropped leaves no hole in what is delivered", () => {
    const mib = 1024 * 1024;
    const { log, arrivals, write } = setUp(64 * mib);
    log.roomBytes = 0;
    for (let at = 0; at < 40; at += 1) arrivals.take(2, append(1, at, 1, mib));
    expect(arrivals.bytes).toBe(32 * mib);
    expect(write().at(-1)).toBe("2>1 appendRequest 31/1: 32");
  });
});

describe("What no write could carry", () => {
  test("is delivered for the log to refuse, and does not wait for ever", () => {
    const { arrivals, delivered } = setUp(50);
    arrivals.take(2, append(1, 0, 1));
    expect(delivered).toEqual(["2>1 appendRequest 0/0: 1"]);
  });

  test("or does not match itself is delivered for the group to refuse", () => {
    const { log, arrivals, delivered } = setUp();
    log.roomBytes = 0;
    const payloads: readonly (Payload | undefined)[] = [configurationPayload];
    arrivals.take(2, { ...append(1, 0, 3), payloads });
    expect(delivered.length).toBe(1);
  });
});
