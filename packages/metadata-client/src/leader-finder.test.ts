import { describe, expect, test } from "@jest/globals";
import { SaturnError, SeededRandom } from "@saturnmq/kit";
import { ManualTime } from "@saturnmq/kit/testing";
import { LeaderFinder } from "./leader-finder.ts";
import { AttemptFailed } from "./rpc.ts";

function finder(endpoints: readonly string[], time = new ManualTime()): LeaderFinder {
  return new LeaderFinder({ endpoints, clock: time, timers: time, random: new SeededRandom(1) });
}

describe("whom to ask", () => {
  test("the endpoints in turn, with a pause after each round that doubles up to a second", () => {
    const asked: string[] = [];
    const pauses: number[] = [];
    const find = finder(["a", "b", "c"]);
    for (let nth = 0; nth < 30; nth += 1) {
      asked.push(find.current);
      const pause = find.failed(find.current, undefined);
      if (nth % 3 === 2) pauses.push(pause);
      else expect(pause).toBe(0);
    }
    expect(asked.slice(0, 6)).toEqual(["a", "b", "c", "a", "b", "c"]);
    for (const [nth, pause] of pauses.entries()) {
      const full = Math.min(1_000, 50 * 2 ** nth);
      expect(pause).toBeGreaterThanOrEqual(full / 2);
      expect(pause).toBeLessThanOrEqual(full + 1);
    }
  });

  test("after the one that answered, the next one, not the same again", () => {
    const find = finder(["a", "b", "c"]);
    find.failed("a", undefined);
    find.failed("b", undefined);
    find.answered("a");
    find.failed("a", undefined);
    expect(find.current).toBe("b");
  });

  test("the one that was named, at once, unless that goes round in circles", () => {
    const find = finder(["a", "b"]);
    expect(find.failed("a", "x")).toBe(0);
    expect(find.current).toBe("x");
    expect(find.failed("x", "a")).toBe(0);
    find.failed("a", "x");
    expect(find.current).toBe("b");
  });

  test("an attempt that somebody else's has overtaken moves nothing", () => {
    const find = finder(["a", "b", "c"]);
    find.failed("a", undefined);
    expect(find.failed("a", "z")).toBe(0);
    expect(find.current).toBe("b");
  });

  test("those that the cluster tells of before the configured ones, which may be gone", () => {
    const find = finder(["a", "b"]);
    find.learned(["x", "b"]);
    const asked = Array.from({ length: 4 }, () => {
      find.failed(find.current, undefined);
      return find.current;
    });
    expect(asked).toEqual(["x", "b", "a", "x"]);
  });

  test("none at all is refused", () => {
    expect(() => finder([])).toThrow(SaturnError);
  });
});

test("asking ends when the time is over, however fast the refusals come", async () => {
  const time = new ManualTime();
  let attempts = 0;
  const asked = finder(["a"], time).ask(
    (address) => {
      attempts += 1;
      return Promise.reject(new AttemptFailed({ kind: "passing", reason: `${address}: no`, leader: undefined }));
    },
    100,
    2_000,
    new AbortController().signal,
  );
  const ended = new AbortController();
  const refused = asked.catch((error: unknown) => {
    ended.abort();
    return error;
  });
  while (!ended.signal.aborted) {
    await new Promise((resolve) => setImmediate(resolve));
    time.advance(10);
  }
  expect(await refused).toMatchObject({ code: "HA_NOT_AVAILABLE", message: expect.stringContaining("a: no") });
  expect(time.monoMs()).toBeLessThan(2_100);
  // 50, 100, 200, 400, 800 ms and what is left.
  expect(attempts).toBeLessThan(12);
});

test("a bug in an attempt is no refusal, and comes out as it is", async () => {
  const broken = finder(["a"]).ask(() => Promise.reject(new TypeError("bug")), 1, 1, new AbortController().signal);
  await expect(broken).rejects.toThrow(TypeError);
});
