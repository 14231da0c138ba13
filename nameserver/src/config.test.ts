import { expect, test } from "@jest/globals";
import { parseNameServerConfig } from "./config.ts";

test("has defaults and is frozen", () => {
  const config = parseNameServerConfig({});
  expect(config).toMatchObject({ dataDir: "./saturnmq-data", shards: 24, replicationFactor: 3, members: [], self: 1 });
  expect(config.settings).toEqual({
    brokerLeaseMs: 3_000,
    replacementGraceMs: 300_000,
    moveBudget: 4,
    transferBudget: 4,
  });
  expect(Object.isFrozen(config)).toBe(true);
});

test("the environment wins", () => {
  const config = parseNameServerConfig({ shards: 4 }, { SATURNMQ_SHARDS: "6", SATURNMQ_DATA_DIR: "/data" });
  expect(config).toMatchObject({ dataDir: "/data", shards: 6 });
});

test.each(["0", "1025", "2.5", "many", ""])("%p shards are refused by name", (shards) => {
  expect(() => parseNameServerConfig({}, { SATURNMQ_SHARDS: shards })).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringContaining("shards") }),
  );
});

test("members come as JSON in the environment", () => {
  const members = [1, 2, 3].map((id) => ({ id, host: `ns-${id}` }));
  const config = parseNameServerConfig({}, { SATURNMQ_SELF: "2", SATURNMQ_MEMBERS: JSON.stringify(members) });
  expect(config.members[1]).toEqual({ id: 2, host: "ns-2", peerPort: 8_084, grpcPort: 8_082 });
});

const three = [1, 2, 3].map((id) => ({ id, host: "h" }));
test.each([
  { why: "two members", input: { members: three.slice(0, 2) }, says: /1, 3 or 5 members, not 2/ },
  { why: "itself missing", input: { members: three, self: 4 }, says: /self 4, is not among them/ },
  { why: "an id twice", input: { members: [...three.slice(0, 2), { id: 1, host: "h" }] }, says: /same id/ },
  { why: "no JSON", input: {}, environment: { SATURNMQ_MEMBERS: "a,b" }, says: /members: .*array/ },
  { why: "a setting out of bounds", input: { settings: { moveBudget: 0 } }, says: /settings.moveBudget/ },
])("$why is refused by name", ({ input, environment = {}, says }) => {
  expect(() => parseNameServerConfig(input, environment)).toThrow(says);
});
