import { expect, test } from "@jest/globals";
import { parseNameServerConfig } from "./config.ts";

test("has defaults and is frozen", () => {
  const config = parseNameServerConfig({});
  expect(config).toEqual({ dataDir: "./saturnmq-data", shards: 3 });
  expect(Object.isFrozen(config)).toBe(true);
});

test("the environment wins", () => {
  const config = parseNameServerConfig({ shards: 4 }, { SATURNMQ_SHARDS: "6", SATURNMQ_DATA_DIR: "/data" });
  expect(config).toEqual({ dataDir: "/data", shards: 6 });
});

test.each(["0", "1025", "2.5", "many", ""])("%p shards are refused by name", (shards) => {
  expect(() => parseNameServerConfig({}, { SATURNMQ_SHARDS: shards })).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringContaining("shards") }),
  );
});
