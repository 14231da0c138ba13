import { describe, expect, test } from "@jest/globals";
import { ManualTime } from "@saturnmq/kit/testing";
import type { AppendRequest } from "../core/messages.ts";
import { MemoryLog } from "../testing/memory-log.ts";
import { payloadOf, textOf } from "../testing/recording-machine.ts";
import type { AppendSource } from "./append-source.ts";
import { HeldBudget, HeldPayloads } from "./held-payloads.ts";
import type { PeerMessage } from "./messages.ts";
import { Replication } from "./replication.ts";

function append(prevIndex: number, count: number): AppendRequest {
  const entries = Array.from({ length: count }, (_, at) => ({ index: prevIndex + 1 + at, term: 1 }));
  return {
    kind: "appendRequest",
    term: 1,
    prevIndex,
    prevTerm: prevIndex === 0 ? 0 : 1,
    entries,
    commit: 0,
    uncounted: false,
  };
}

/** Group 1, whose entries up to `written` the log can give. */
function sourceOf(
  held: HeldPayloads,
  disk: { readonly written: number; readonly wait: Promise<undefined> } = {
    written: 6,
    wait: Promise.resolve(undefined),
  },
): AppendSource {
  return { group: 1, held, isWritten: (index) => index <= disk.written, written: () => disk.wait };
}

/** A log of six entries "1" to "6" whose reads end when the test says so. */
function setUp() {
  const reads: (() => void)[] = [];
  const log = new MemoryLog((_what, done) => reads.push(done));
  for (let index = 1; index <= 6; index += 1) log.append(1, index, 1, payloadOf(String(index)));
  const sent: string[] = [];
  const errors: unknown[] = [];
  const time = new ManualTime();
  const state = { alive: true };
  const send = (to: number, message: PeerMessage): void => {
    if (message.kind !== "group") return;
    sent.push(`${to}: ${message.payloads.map((payload) => payload && textOf(payload)).join("")}`);
  };
  const fail = (error: unknown): void => void errors.push(error);
  const replication = new Replication({
    log,
    transport: { send },
    monoMs: () => time.monoMs(),
    timers: time,
    fail,
    alive: () => state.alive,
  });
  const finishReads = async (): Promise<void> => {
    for (const done of reads.splice(0)) done();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { log, time, replication, sent, errors, state, reads, finishReads };
}

describe("Appends", () => {
  test("leave at once while their payloads are held", () => {
    const { replication, sent, reads } = setUp();
    const held = new HeldPayloads(new HeldBudget());
    held.append(5, payloadOf("five"));
    held.append(6, undefined);
    replication.sendAppend(sourceOf(held), 2, append(4, 2));
    expect(sent).toEqual(["2: five"]);
    expect(reads.length).toBe(0);
  });

  test("are read from the log otherwise, and nothing later overtakes them", async () => {
    const { replication, sent, finishReads } = setUp();
    const held = new HeldPayloads(new HeldBudget());
    held.append(3, payloadOf("held"));
    replication.sendAppend(sourceOf(held), 2, append(0, 2));
    replication.sendAppend(sourceOf(held), 2, append(2, 1));
    replication.sendAppend(sourceOf(held), 3, append(2, 1));
    expect(sent).toEqual(["3: held"]);
    await finishReads();
    await finishReads();
    expect(sent).toEqual(["3: held", "2: 12", "2: held"]);
  });

  test("take what is held from there also when others of them are read: it may not be written yet", async () => {
    const { log, replication, sent, errors, finishReads } = setUp();
    const read = log.read.bind(log);
    log.read = (group, index) => (index < 6 ? read(group, index) : Promise.reject(new RangeError("not written yet")));
    const held = new HeldPayloads(new HeldBudget());
    held.append(6, payloadOf("six"));
    replication.sendAppend(sourceOf(held), 2, append(3, 2));
    replication.sendAppend(sourceOf(held), 2, append(5, 1));
    replication.sendAppend(sourceOf(held), 3, append(4, 2));
    await finishReads();
    await finishReads();
    expect({ sent, errors }).toEqual({ sent: ["2: 45", "3: 5six", "2: six"], errors: [] });
  });

  test("read what was held and is applied meanwhile: its bytes may be overwritten", async () => {
    const { replication, sent, finishReads } = setUp();
    const held = new HeldPayloads(new HeldBudget());
    const payload = payloadOf("six");
    held.append(6, payload);
    replication.sendAppend(sourceOf(held), 2, append(4, 2));
    held.release(6);
    payload.bytes.fill(0x78);
    await finishReads();
    expect(sent).toEqual([]);
    await finishReads();
    expect(sent).toEqual(["2: 56"]);
  });

  test("that the core gave up are not read: a slow disk would fall behind for ever", async () => {
    const { replication, sent, reads, finishReads } = setUp();
    const held = new HeldPayloads(new HeldBudget());
    for (const prevIndex of [0, 1, 2, 3]) replication.sendAppend(sourceOf(held), 2, append(prevIndex, 1));
    for (let round = 0; round < 50; round += 1) replication.sendAppend(sourceOf(held), 2, append(1, 3));
    await finishReads();
    expect(reads.length).toBe(3);
    await finishReads();
    await finishReads();
    expect(sent).toEqual(["2: 1", "2: 234"]);
  });

  test("wait for this process's own write while nobody holds their entries: a follower that leads now may have more than it could hold", async () => {
    const { log, replication, sent, errors, reads, finishReads } = setUp();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const disk = { written: 3, wait: promise };
    const read = log.read.bind(log);
    log.read = (group, index) =>
      index <= disk.written ? read(group, index) : Promise.reject(new RangeError("not written yet"));
    replication.sendAppend(sourceOf(new HeldPayloads(new HeldBudget()), disk), 2, append(2, 2));
    await finishReads();
    expect({ sent, errors, reads: reads.length }).toEqual({ sent: [], errors: [], reads: 0 });
    disk.written = 4;
    resolve(undefined);
    await finishReads();
    await finishReads();
    expect({ sent, errors }).toEqual({ sent: ["2: 34"], errors: [] });
  });

  test("are given up when their entries were not written after all", async () => {
    const { replication, sent, errors, finishReads } = setUp();
    const disk = { written: 3, wait: Promise.resolve(undefined) };
    replication.sendAppend(sourceOf(new HeldPayloads(new HeldBudget()), disk), 2, append(2, 2));
    await finishReads();
    await finishReads();
    expect({ sent, errors }).toEqual({ sent: [], errors: [] });
  });

  test("whose entries were replaced meanwhile are dropped", async () => {
    const { log, replication, sent, errors, finishReads } = setUp();
    replication.sendAppend(sourceOf(new HeldPayloads(new HeldBudget())), 2, append(3, 2));
    log.append(1, 5, 2, undefined);
    await finishReads();
    expect({ sent, errors }).toEqual({ sent: [], errors: [] });
  });

  test("that cannot be read although they are there end the process", async () => {
    const { log, replication, sent, errors } = setUp();
    const broken = new Error("the entry is corrupt");
    log.read = () => Promise.reject(broken);
    replication.sendAppend(sourceOf(new HeldPayloads(new HeldBudget())), 2, append(3, 2));
    await new Promise((resolve) => setImmediate(resolve));
    expect({ sent, errors }).toEqual({ sent: [], errors: [broken] });
  });

  test("are not sent once the process is to end", async () => {
    const { replication, sent, state, finishReads } = setUp();
    replication.sendAppend(sourceOf(new HeldPayloads(new HeldBudget())), 2, append(3, 2));
    state.alive = false;
    await finishReads();
    expect(sent).toEqual([]);
  });
});
