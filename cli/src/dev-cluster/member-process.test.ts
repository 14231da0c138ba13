import { afterEach, describe, expect, test } from "@jest/globals";
import { MemberProcess, type MemberProcessOptions } from "./member-process.ts";

const running: MemberProcess[] = [];
afterEach(async () => {
  for (const member of running.splice(0)) await member.stop(100);
});

function member(script: string, more: Partial<MemberProcessOptions> = {}) {
  const lines: string[] = [];
  const ends: string[] = [];
  const process_ = new MemberProcess({
    ...{ name: "broker-1", command: [process.execPath, "-e", script], env: process.env, restartAfterMs: undefined },
    line: (text) => lines.push(text),
    ended: (how, againMs) => ends.push(`${how} ${String(againMs)}`),
    serves: () => Promise.resolve(lines.includes("up")),
    ...more,
  });
  running.push(process_);
  process_.start();
  return { member: process_, lines, ends };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const serving = "console.log('up'); setInterval(() => {}, 1000);";

describe("a member's process", () => {
  test("is ready when it says so, passes its lines on, and stops when told", async () => {
    const {
      member: one,
      lines,
      ends,
    } = member(`process.on('SIGTERM', () => { console.error('bye'); process.exit(0); }); ${serving}`);
    expect(await one.ready(new AbortController().signal)).toBe(true);
    expect(await one.stop(5_000)).toBe(true);
    expect(lines).toEqual(["up", "bye"]);
    expect([one.pid, ends]).toEqual([undefined, []]);
  });

  test("is started again after it was killed", async () => {
    const { member: one, lines, ends } = member(serving, { restartAfterMs: 10 });
    await one.ready(new AbortController().signal);
    const first = one.pid!;
    process.kill(first, "SIGKILL");
    await until(() => lines.length === 2);
    expect(one.pid).not.toBe(first);
    expect(ends).toEqual(["SIGKILL 10"]);
  });

  test("is not started again when that was not asked for, nor after it was told to stop", async () => {
    const { member: one, ends } = member("process.exit(3)");
    await until(() => ends.length === 1);
    expect(ends).toEqual(["exit code 3 undefined"]);
    expect(await one.stop(100)).toBe(true);
  });

  test("is killed when it does not stop in time, also while it is suspended", async () => {
    const { member: one, lines } = member(`process.on('SIGTERM', () => {}); ${serving}`);
    await until(() => lines.length === 1);
    process.kill(one.pid!, "SIGSTOP");
    expect(await one.stop(50)).toBe(false);
    expect(one.pid).toBeUndefined();
  });

  test("waiting for it ends when nobody waits any more", async () => {
    const { member: one } = member("setInterval(() => {}, 1000)");
    const waiting = new AbortController();
    const ready = one.ready(waiting.signal);
    waiting.abort();
    expect(await ready).toBe(false);
  });
});
