import { describe, expect, test } from "@jest/globals";
import { type ClusterPlan, checkPlan, memberPorts, membersOf, nameServerEndpoints } from "./layout.ts";

const plan: ClusterPlan = { brokers: 4, nameServers: 3, zones: ["a", "b", "c"], data: "d", network: 7 };

describe("the members of a cluster", () => {
  test("are spread over the zones in turn, each with an address and a folder of its own", () => {
    const members = membersOf(plan);
    expect(members.map(({ name, zone }) => `${name} ${zone}`)).toEqual([
      ...["nameserver-1 a", "nameserver-2 b", "nameserver-3 c"],
      ...["broker-1 a", "broker-2 b", "broker-3 c", "broker-4 a"],
    ]);
    expect(new Set(members.map(({ host }) => host)).size).toBe(7);
    expect(new Set(members.map(({ folder }) => folder)).size).toBe(7);
    expect(nameServerEndpoints(members)).toEqual(["127.0.7.201:8082", "127.0.7.202:8082", "127.0.7.203:8082"]);
  });

  test("have addresses that exist, however many they are", () => {
    const hosts = membersOf({ ...plan, brokers: 100, nameServers: 5 }).map(({ host }) => host);
    expect(new Set(hosts).size).toBe(105);
    for (const host of hosts) expect(Number(host.split(".")[3])).toBeLessThan(255);
  });

  test("need one port of each kind, each its own", () => {
    expect(new Set(Object.values(memberPorts)).size).toBe(5);
  });

  test("without zones are all in the unnamed one", () => {
    expect(membersOf({ ...plan, zones: [] }).every(({ zone }) => zone === "")).toBe(true);
  });
});

test.each([
  { wrong: { nameServers: 2 }, says: /--nameservers 2: .*1, 3 or 5/ },
  { wrong: { nameServers: 0 }, says: /--nameservers 0/ },
  { wrong: { brokers: 0 }, says: /--brokers 0: choose 1 to 100/ },
  { wrong: { brokers: 101 }, says: /--brokers 101/ },
  { wrong: { network: 255 }, says: /--network 255: choose 1 to 254/ },
])("$wrong is refused by name", ({ wrong, says }) => {
  expect(() => checkPlan({ ...plan, ...wrong })).toThrow(says);
});
