import { describe, expect, test } from "@jest/globals";
import { Presence } from "./presence.ts";
import { ManualTime } from "./testing/manual-time.ts";

function setUp() {
  const time = new ManualTime();
  const here = new Set<string>();
  const told: string[] = [];
  const presence = new Presence({
    isHere: (clientId) => here.has(clientId),
    brokers: { tellClient: (clientId, present) => told.push(`${clientId} ${present ? "came" : "went"}`) },
    clock: time,
    timers: time,
  });
  return { time, here, told, presence };
}

describe("Consumers of a cluster", () => {
  test("are told of once when they come, and when they have gone", async () => {
    const { time, here, told, presence } = setUp();
    here.add("a");
    presence.note("a");
    presence.note("a");
    presence.note("never connected");
    await time.pass(60_000);
    expect(told).toEqual(["a came"]);
    here.delete("a");
    await time.pass(5_000);
    expect(told).toEqual(["a came", "a went"]);
    here.add("a");
    presence.note("a");
    expect(told.at(-1)).toBe("a came");
  });

  test("are present while any broker says so, and 20 s after the last", async () => {
    const { time, presence } = setUp();
    presence.told(2, "a", true);
    presence.told(3, "a", true);
    presence.told(2, "a", false);
    await time.pass(60_000);
    expect(presence.isPresent("a")).toBe(true);
    presence.told(3, "a", false);
    await time.pass(20_000);
    expect(presence.isPresent("a")).toBe(true);
    await time.pass(1);
    expect(presence.isPresent("a")).toBe(false);
  });

  test("outlive the broker that they were at for as long as a reconnect takes", async () => {
    const { time, presence } = setUp();
    presence.told(2, "a", true);
    presence.gone(2);
    await time.pass(19_000);
    expect(presence.isPresent("a")).toBe(true);
    presence.told(3, "a", true);
    await time.pass(60_000);
    expect(presence.isPresent("a")).toBe(true);
    presence.gone(3);
    await time.pass(25_000);
    expect(presence.isPresent("a")).toBe(false);
  });

  test("are looked after no more once it is closed", async () => {
    const { time, here, told, presence } = setUp();
    here.add("a");
    presence.note("a");
    presence.close();
    here.delete("a");
    await time.pass(60_000);
    expect(told).toEqual(["a came"]);
  });
});
