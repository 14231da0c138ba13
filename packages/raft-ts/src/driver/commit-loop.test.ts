import { describe, expect, test } from "@jest/globals";
import type { RaftLog } from "../ports.ts";
import { CommitLoop, type LoopMember } from "./commit-loop.ts";

const maxEntryBytes = 100;

/** A log of which only the room counts: a write makes all of it free. */
class Room {
  roomBytes = maxEntryBytes;
  commits = 0;

  async commit(): Promise<void> {
    this.commits += 1;
    this.roomBytes = maxEntryBytes;
  }
}

function loopOver(room: Room): CommitLoop {
  return new CommitLoop({
    log: Object.assign(room, { maxEntryBytes }) as unknown as RaftLog,
    turn: { soon: (callback) => void setImmediate(callback) },
    monoMs: () => 0,
    guard: (callback) => callback(),
    writing: () => undefined,
    fail: (error) => {
      throw error;
    },
  });
}

function member(gather: LoopMember["gather"]): LoopMember {
  return { gather, snapshot: () => ({ durable: () => undefined }), apply: () => undefined };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe("a log that has staged something by itself, and no group has", () => {
  test("does not put a group to sleep that is woken and has nothing to write", async () => {
    const room = new Room();
    const loop = loopOver(room);
    let asked = 0;
    const reader = member(() => {
      asked += 1;
      return false;
    });
    room.roomBytes = maxEntryBytes - 32;
    loop.wake(reader);
    await turns();
    const before = asked;
    loop.wake(reader);
    await turns();
    expect(asked).toBeGreaterThan(before);
  });

  test("makes room for a group whose next record needs all of it", async () => {
    const room = new Room();
    const loop = loopOver(room);
    const offered: number[] = [];
    const writer = member((maxBytes) => {
      offered.push(maxBytes);
      return false;
    });
    room.roomBytes = maxEntryBytes - 32;
    loop.wake(writer);
    await turns();
    expect(offered).toEqual([maxEntryBytes - 32, maxEntryBytes]);
    expect(room.commits).toBe(1);
  });
});
