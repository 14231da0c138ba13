import { describe, expect, test } from "@jest/globals";
import { Sessions } from "./sessions.ts";

function setUp(): { sessions: Sessions; pass: (ms: number) => void } {
  let nowMs = 1_000;
  const sessions = new Sessions({ monoMs: () => nowMs, wallMs: () => nowMs });
  return {
    sessions,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

describe("Sessions", () => {
  test("a client is present while it calls or holds a stream", () => {
    const { sessions, pass } = setUp();
    sessions.seen("a", "JAVA");
    pass(20_000);
    expect(sessions.isPresent("a")).toBe(true);
    pass(1);
    expect(sessions.isPresent("a")).toBe(false);
    sessions.streamOpened("a", "JAVA");
    pass(90_000);
    expect(sessions.isPresent("a")).toBe(true);
    sessions.streamClosed("a");
    expect(sessions.isPresent("a")).toBe(false);
    expect(sessions.isPresent("b")).toBe(false);
  });

  test("the newest of several streams may close first", () => {
    const { sessions, pass } = setUp();
    sessions.streamOpened("a", "GO");
    sessions.streamOpened("a", "GO");
    sessions.streamClosed("a");
    pass(60_000);
    expect(sessions.isPresent("a")).toBe(true);
  });

  test("the silent are forgotten, those with a stream are not", () => {
    const { sessions, pass } = setUp();
    sessions.seen("silent", "JAVA");
    sessions.streamOpened("connected", "JAVA");
    pass(120_001);
    sessions.seen("new", "JAVA");
    expect(sessions.count).toBe(2);
    expect(sessions.isPresent("connected")).toBe(true);
  });

  test("never grows above its bound", () => {
    const { sessions } = setUp();
    for (let at = 0; at < 100_050; at += 1) sessions.seen(String(at), "JAVA");
    expect(sessions.count).toBe(100_000);
    expect(sessions.isPresent("0")).toBe(false);
  });
});
