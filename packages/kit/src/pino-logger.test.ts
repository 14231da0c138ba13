import { describe, expect, test } from "@jest/globals";
import { createLogger, type LogLevel } from "./pino-logger.ts";

function lines(pretty: boolean, level: LogLevel = "info") {
  const written: string[] = [];
  const logger = createLogger({ level, pretty, write: (line) => written.push(line) });
  return { logger, written };
}

describe("JSON lines", () => {
  test("carry level, time, message and fields", () => {
    const { logger, written } = lines(false);
    logger.warn({ shard: 2, path: "/data" }, "slow disk");
    expect(written).toHaveLength(1);
    const line = JSON.parse(written[0] ?? "") as Readonly<Record<string, string>>;
    expect(line).toEqual({ level: "warn", time: expect.any(String), shard: 2, path: "/data", message: "slow disk" });
    expect(Math.abs(Date.parse(line["time"] ?? "") - Date.now())).toBeLessThan(60_000);
  });

  test("carry an error's message and stack", () => {
    const { logger, written } = lines(false);
    logger.error({ err: new Error("no room") }, "cannot write");
    expect(JSON.parse(written[0] ?? "").err).toMatchObject({
      message: "no room",
      stack: expect.stringContaining("no room"),
    });
  });

  test("below the level are dropped", () => {
    const { logger, written } = lines(false, "warn");
    logger.info({}, "hello");
    logger.debug({}, "hello");
    expect(written).toEqual([]);
  });
});

describe("readable lines", () => {
  test("begin with time, level and message", () => {
    const { logger, written } = lines(true);
    logger.info({ shard: 2, folder: "/data", why: "a b" }, "opened");
    expect(written[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}opened {2}shard=2 folder=\/data why="a b"\n$/);
    logger.info({}, "plain");
    expect(written[1]).toMatch(/ info {2}plain\n$/);
  });

  test("show an error's stack below, indented", () => {
    const { logger, written } = lines(true);
    logger.fatal({ err: new Error("no room") }, "stopped");
    expect(written[0]).toMatch(/ fatal stopped\n {2}Error: no room\n {6}at /);
  });
});
