import { describe, expect, test } from "@jest/globals";
import type { SendResult } from "./client/messaging-client.ts";
import { CliError, exitCodes } from "./exit-codes.ts";
import {
  batchBytesMax,
  batchesOf,
  batchMessagesMax,
  callsMax,
  type Line,
  LineFailure,
  ProduceRun,
} from "./produce-run.ts";

const stored: SendResult = { offset: 1 };
const busy: SendResult = { refusal: { code: 42_900, text: "too many", retryable: true } };
const wrong: SendResult = { refusal: { code: 41_301, text: "too large", retryable: false } };

/** A run whose calls answer what `answers` says, one after another; time passes only in pauses. */
function fixture(
  answers: (messages: readonly string[]) => readonly SendResult[] | Promise<readonly SendResult[]>,
  callsAtOnce?: number,
) {
  const calls: (readonly string[])[] = [];
  let nowMs = 0;
  const run = new ProduceRun<string>({
    send: async (messages) => {
      calls.push(messages);
      return answers(messages);
    },
    pause: async (ms) => {
      nowMs += ms;
    },
    nowMs: () => nowMs,
    retryForMs: 10_000,
    ...(callsAtOnce === undefined ? {} : { calls: callsAtOnce }),
  });
  return { run, calls };
}

function lines(...messages: readonly string[]): Line<string>[] {
  return messages.map((message, at) => ({ number: at + 1, message }));
}

describe("sending lines", () => {
  test("counts what was stored", async () => {
    const { run, calls } = fixture((messages) => messages.map(() => stored));
    await run.add(lines("a", "b"));
    await run.add(lines("c"));
    await run.finish();
    expect(calls).toEqual([["a", "b"], ["c"]]);
    expect(run.sent).toBe(3);
  });

  test("repeats only what was refused for the moment, in order", async () => {
    let call = 0;
    const { run, calls } = fixture((messages) => {
      call += 1;
      return call === 1 ? [stored, busy, stored, busy] : messages.map(() => stored);
    });
    await run.add(lines("a", "b", "c", "d"));
    await run.finish();
    expect(calls).toEqual([
      ["a", "b", "c", "d"],
      ["b", "d"],
    ]);
    expect(run.sent).toBe(4);
  });

  test("repeats a call that was lost", async () => {
    let call = 0;
    const { run, calls } = fixture((messages) => {
      call += 1;
      if (call === 1) throw new CliError(exitCodes.unreachable, "gone");
      return messages.map(() => stored);
    });
    await run.add(lines("a"));
    await run.finish();
    expect(calls).toHaveLength(2);
    expect(run.sent).toBe(1);
  });

  test("gives up a line that is refused for too long, and names it", async () => {
    const { run, calls } = fixture((messages) => messages.map((message) => (message === "b" ? busy : stored)));
    await run.add(lines("a", "b"));
    await expect(run.finish()).rejects.toMatchObject({ name: "LineFailure", line: 2 });
    expect(run.sent).toBe(1);
    expect(calls.length).toBeGreaterThan(5);
  });

  test("does not repeat what can never work, and sends nothing more", async () => {
    const { run, calls } = fixture((messages) => messages.map((message) => (message === "b" ? wrong : stored)));
    await run.add(lines("a", "b", "c"));
    await expect(run.finish()).rejects.toThrow(LineFailure);
    await run.add(lines("d"));
    expect(calls).toEqual([["a", "b", "c"]]);
    expect(run.sent).toBe(2);
  });

  test("does not repeat a call that failed for good", async () => {
    const { run, calls } = fixture(() => {
      throw new CliError(exitCodes.notOffered, "unknown call");
    });
    await run.add(lines("a"));
    await expect(run.finish()).rejects.toThrow("unknown call");
    expect(calls).toHaveLength(1);
  });

  test.each([undefined, 1])("keeps a bounded number of calls in flight: %p", async (calls) => {
    let inFlight = 0;
    let most = 0;
    const { run } = fixture(async (messages) => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight -= 1;
      return messages.map(() => stored);
    }, calls);
    for (let nth = 0; nth < 5 * callsMax; nth += 1) await run.add(lines("x"));
    await run.finish();
    expect(most).toBe(calls ?? callsMax);
    expect(run.sent).toBe(5 * callsMax);
  });
});

describe("batches", () => {
  const sizes = (batches: readonly (readonly unknown[])[]): number[] => batches.map(({ length }) => length);

  test("hold a bounded number of messages, in order", () => {
    const all = lines(...Array.from({ length: 2 * batchMessagesMax + 3 }, (_, at) => String(at)));
    const batches = batchesOf(all, () => 1);
    expect(sizes(batches)).toEqual([batchMessagesMax, batchMessagesMax, 3]);
    expect(batches.flat()).toEqual(all);
  });

  test("hold a bounded number of bytes, but a large message goes alone", () => {
    const half = batchBytesMax / 2;
    const bytes: Readonly<Record<string, number>> = { small: 1, half, huge: 3 * batchBytesMax };
    const batches = batchesOf(lines("half", "half", "small", "huge", "small"), (message) => bytes[message] ?? 0);
    expect(sizes(batches)).toEqual([2, 1, 1, 1]);
  });

  test("of nothing are none", () => {
    expect(batchesOf([], () => 1)).toEqual([]);
  });
});
